#!lua flags=allow-oom
-- adopt: PostgreSQL has a newer row than the session Redis wanted to write, so Redis takes the row (P6).
-- The losing state is archived before this runs. The session belongs to no epoch: whoever loads it compares it again,
-- because Redis may have lost its tail since the row was read.
--
-- KEYS  1 changes  stream    2 dirty  zset    3 parked  hash    4 hlc  string    5 session  hash
-- ARGV  1 losingVersion  what Redis held when PostgreSQL refused it
--       2 state          of the row, JSON text, '' for a tombstone
--       3 version        of the row
--       4 tombstone      '0' | '1'
--       5 ttlMs          how long the now clean session stays, ms
--       6 group
-- Returns  'adopted' | 'superseded' (saved or removed since: only the version floor is raised)
-- Writes   session, hlc, changes, dirty, parked. allow-oom: part of draining (P7).

local changes, dirty, parked, hlc, session = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local losingVersion, state, version, tombstone, ttlMs, group =
  ARGV[1], ARGV[2], ARGV[3], ARGV[4], string.format('%.0f', ARGV[5]), ARGV[6]

-- '' for what is no id of an event: commands of streams fail on it, and the script with them.
local function eventOf(text)
  local ms, seq = string.match(text or '', '^(%d+)%-(%d+)$')
  return ms and #ms < 20 and #seq < 20 and text or ''
end

redis.call('XLEN', changes)
redis.call('ZCARD', dirty)
redis.call('HLEN', parked)
-- A row does not raise the clock above this: there is room to count on from it (2^40 below MAX_VERSION of version.ts).
local MAX_RAISED = 4502500115742719
local raisedTo = math.min(tonumber(version), MAX_RAISED)
local lastIssued = tonumber(string.match(redis.call('GET', hlc) or '0', '^%d+$')) or math.huge
local stored = redis.call('HMGET', session, 'v', 'q')
local event = eventOf(stored[2])

-- Raised even when the session was saved since: its version must pass the row's to be written.
if raisedTo > lastIssued then
  redis.call('SET', hlc, string.format('%.0f', raisedTo))
end
if stored[1] ~= losingVersion then
  return 'superseded'
end
if event ~= '' then
  redis.call('XACK', changes, group, event)
  redis.call('XDEL', changes, event)
end
redis.call('HSET', session, 's', state, 'v', version, 'd', '0', 'q', '', 'o', '', 't', tombstone,
  'e', '', 'c', '')
redis.call('PEXPIRE', session, ttlMs)
redis.call('ZREM', dirty, session)
redis.call('HDEL', parked, session)
return 'adopted'
