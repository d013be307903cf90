#!lua
-- restore: puts a row of PostgreSQL into Redis as a clean session, unless it was saved, deleted or
-- restored since the miss (P5).
--
-- KEYS  1 session  hash    2 meta  hash
-- ARGV  1 held       the lease, 'epoch:token', as lease gave it before the row was read
--       2 state      JSON text, '' for a tombstone
--       3 version    of the row
--       4 tombstone  '0' | '1'
--       5 operations of the row, 'opId=version opId=version …', newest first; '' = none
--       6 ttlMs      how long the clean session stays, ms
-- Returns  'restored' | 'present' (nothing to do) | 'refused' (the lease is gone, or another one is there)
-- Writes   session, meta. Refused before any effect when memory is full.

local session, meta = KEYS[1], KEYS[2]
local held, state, version, tombstone, operations = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
-- Whole: PEXPIRE refuses a fraction, and by then the session would be there without a TTL.
local ttlMs = string.format('%.0f', ARGV[6])

--#include format-header
--#include operations
--#include floor
--#include raise-floor

local floor = floorOf(redis.call('HGET', meta, 'floor'))
local stored = redis.call('HMGET', session, 'm', 's', 'l')
if stored[1] or stored[2] then
  return 'present'
end
if stored[3] ~= held then
  return 'refused'
end

local epoch = string.match(held, '^%d*')
raiseFloor(meta, floor, version)
redis.call('HSET', session,
  's', state, 'm', formatHeader(version, '0', tombstone, '', '', epoch, '', operationsOf(operations)))
redis.call('PEXPIRE', session, ttlMs)
redis.call('HDEL', session, 'l')
return 'restored'
