#!lua
-- save: changes a session and announces it, or does neither (P1). Deleting is saving a tombstone.
--
-- KEYS  1 session  hash    2 changes  stream    3 dirty  zset    4 hlc  string    5 lease  string    6 meta  hash
-- ARGV  1 state      JSON text, '' for a tombstone
--       2 opId       1..64 bytes without ' ' and '='; the same id again is answered, not applied, as long
--                    as it is among the session's last four operations
--       3 tombstone  '0' | '1'
--       4 ifVersion  '' = unconditional, '0' = only if the session is absent, else the expected version
--       5 epoch      in which the expected version was loaded, '' = not known
--       6 maxBytes   the largest state accepted, bytes
-- Returns  { 'saved', version }        applied now
--          { 'replayed', version }     this opId was applied before, as that version
--          { 'conflict', version }     ifVersion did not match; version is the present one, '0' when absent. Also of a
--                                      session of an earlier epoch that was loaded before it: Redis may have gone
--                                      back to that version, past later ones
--          { 'too_large', bytes }
-- Writes   session, changes, dirty, hlc; removes lease. The session loses its TTL (P2).
-- Without flags Redis refuses the script before it starts when memory is full, so nothing is half done (P7).

local session, changes, dirty, hlc, lease, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local state, opId, tombstone, ifVersion, epoch = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local maxBytes = tonumber(ARGV[6])

-- Read and type-check everything first: a script that fails after its first write is not rolled back.
local stored = redis.call('HMGET', session, 'v', 'q', 'o', 'e', 'c')
local version, event, operations = stored[1], stored[2], stored[3] or ''
local lastIssued = tonumber(redis.call('GET', hlc) or '0')
redis.call('ZCARD', dirty)
local present = redis.call('HGET', meta, 'epoch') or ''

local _, found = string.find(' ' .. operations, ' ' .. opId .. '=', 1, true)
if found then
  -- A write of its own: WAIT on this connection covers the save it answers for.
  redis.call('SET', hlc, string.format('%.0f', math.max(lastIssued, tonumber(version))))
  return { 'replayed', string.match(operations, '^%d+', found) }
end
local isTrusted = not version or stored[4] == present or stored[5] == present or epoch == present
if ifVersion ~= '' and (ifVersion ~= (version or '0') or not isTrusted) then
  return { 'conflict', version or '0' }
end
if #state > maxBytes then
  return { 'too_large', #state }
end

local announced = event and event ~= '' and #redis.call('XRANGE', changes, event, event) == 1
if not announced then
  redis.call('XLEN', changes)
end

local time = redis.call('TIME')
local nowUs = time[1] * 1000000 + time[2]
-- The clock may step back and the session may have left Redis: the partition's last version is the floor (P3).
-- %.0f because tostring() turns a version into 1.7638300001235e+15.
local nextVersion = string.format('%.0f', math.max((tonumber(version) or 0) + 1, lastIssued + 1, nowUs))

if not announced then
  event = redis.call('XADD', changes, '*', 'k', session)
end
local recent = opId .. '=' .. nextVersion
local kept = 1
for operation in string.gmatch(operations, '%S+') do
  if kept == 4 then
    break
  end
  recent = recent .. ' ' .. operation
  kept = kept + 1
end
-- The session itself last: where the ACL lacks a command the save fails and has not happened. What the writes
-- before it leave behind is harmless: take, settle and sweep find a session that is not dirty.
redis.call('SET', hlc, nextVersion)
redis.call('ZADD', dirty, 'NX', string.format('%.0f', nowUs), session)
redis.call('DEL', lease)
redis.call('PERSIST', session)
redis.call('HSET', session, 's', state, 'v', nextVersion, 'd', '1', 'q', event, 'o', recent, 't', tombstone,
  'e', present)
return { 'saved', nextVersion }
