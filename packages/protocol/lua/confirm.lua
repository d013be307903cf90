#!lua
-- confirm: a session of an earlier epoch was compared with its row; from now on it is trusted, or Redis takes the
-- newer row: Redis may have come back older than PostgreSQL.
--
-- KEYS  1 session  hash    2 meta  hash    3 hlc  string
-- ARGV  1 version     what Redis held when the row was read
--       2 epoch       what the caller knew before the row was read
--       3 rowVersion  '0' = there is no row
--       4 state       of the row, JSON text, '' for a tombstone
--       5 tombstone   '0' | '1'
--       6 ttlMs       how long the adopted session stays, ms
-- Returns  'confirmed'   the row is not newer; or it is only by its version, and a consumer puts the session above it
--          'adopted'     Redis has the row now
--          'outdated'    the row is newer and the session unsynced: the row counts; a consumer adopts it and keeps
--                        the loser
--          'superseded'  saved, removed, or another epoch began since: look again
-- Writes   session, hlc. Refused before any effect when memory is full.

local session, meta, hlc = KEYS[1], KEYS[2], KEYS[3]
local version, epoch, rowVersion, state, tombstone = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local ttlMs = string.format('%.0f', ARGV[6])

local stored = redis.call('HMGET', session, 'v', 'd', 'e')
local opened = redis.call('HMGET', meta, 'epoch', 'serverEpoch', 'seeded')
-- A row does not raise the clock above this: there is room to count on from it (2^40 below MAX_VERSION of version.ts).
local MAX_RAISED = 4502500115742719
local raisedTo = math.min(tonumber(rowVersion), MAX_RAISED)
local lastIssued = tonumber(string.match(redis.call('GET', hlc) or '0', '^%d+$')) or math.huge
if stored[1] ~= version or opened[1] ~= epoch then
  return 'superseded'
end
if raisedTo > lastIssued then
  redis.call('SET', hlc, string.format('%.0f', raisedTo))
end
local isLater = stored[2] == '1' and (tonumber(string.match(stored[3] or '', '^%d+$')) or 0) >= (tonumber(opened[2]) or 0)
local wins = isLater and tonumber(rowVersion) <= (tonumber(opened[3]) or 0)
if wins or tonumber(rowVersion) <= tonumber(version) then
  redis.call('HSET', session, 'c', epoch)
  return 'confirmed'
end
if stored[2] == '1' then
  return 'outdated'
end
redis.call('HSET', session, 's', state, 'v', rowVersion, 'd', '0', 'q', '', 'o', '', 't', tombstone,
  'e', '', 'c', epoch)
redis.call('PEXPIRE', session, ttlMs)
return 'adopted'
