#!lua
-- hydrate: puts a row of PostgreSQL into Redis as a clean session, unless somebody saved, deleted or
-- hydrated it since the miss (P5).
--
-- KEYS  1 session  hash    2 lease  string    3 hlc  string
-- ARGV  1 held       the lease, 'epoch:token', as lease gave it before the row was read
--       2 state      JSON text, '' for a tombstone
--       3 version    of the row
--       4 tombstone  '0' | '1'
--       5 ttlMs      how long the clean session stays, ms
-- Returns  'hydrated' | 'present' (nothing to do) | 'refused' (the lease is gone or another's)
-- Writes   session, hlc; removes lease. Refused before any effect when memory is full.

local session, lease, hlc = KEYS[1], KEYS[2], KEYS[3]
local held, state, version, tombstone = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
-- Whole: PEXPIRE refuses a fraction, and by then the session would stand there without a TTL.
local ttlMs = string.format('%.0f', ARGV[5])

-- A row does not raise the clock above this: there is room to count on from it (2^40 below MAX_VERSION of version.ts).
local MAX_RAISED = 4502500115742719
local raisedTo = math.min(tonumber(version), MAX_RAISED)
local lastIssued = tonumber(string.match(redis.call('GET', hlc) or '0', '^%d+$')) or math.huge
-- By the same field as lease: a hash without a version is a miss for both.
if redis.call('HEXISTS', session, 'v') == 1 then
  return 'present'
end
if redis.call('GET', lease) ~= held then
  return 'refused'
end

local epoch = string.match(held, '^%d*')
redis.call('HSET', session, 's', state, 'v', version, 'd', '0', 'q', '', 'o', '', 't', tombstone,
  'e', '', 'c', epoch)
redis.call('PEXPIRE', session, ttlMs)
if raisedTo > lastIssued then
  redis.call('SET', hlc, string.format('%.0f', raisedTo))
end
redis.call('DEL', lease)
return 'hydrated'
