#!lua flags=allow-oom
-- park: records that PostgreSQL refuses this session, then acknowledges its events (P4, P9).
-- The session stays dirty, so it neither expires nor disappears; sweep announces it again when its time comes.
--
-- KEYS  1 changes  stream    2 dirty  zset    3 parked  hash    4 session  hash
-- ARGV  1 group
--       2 version  the version that was refused, or is held back
--       3 record   JSON without state: version, sqlState, attempts, firstSeenMs, lastSeenMs, retryAtMs
--       4.. event ids
-- Returns  'parked' | 'superseded' (saved since: announced instead) | 'gone'
--          | 'unreadable' (the value under its key is not a session; it does not change, and its events stay)
-- Writes   changes, dirty, parked, session. allow-oom, so that a full Redis still drains (P7).

local changes, dirty, parked, session = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, version, record = ARGV[1], ARGV[2], ARGV[3]

--#include header
--#include format-header
--#include read-session
--#include event

redis.call('XLEN', changes)
redis.call('ZCARD', dirty)
redis.call('HLEN', parked)
local held, isDirty, tombstone, announcedAs, savedIn, confirmedIn, expiresAtMs, operations = readSession(session)
if held == 'unreadable' then
  return held
end
local function announce(event)
  redis.call('HSET', session, 'm',
    formatHeader(held, isDirty, tombstone, event, savedIn, confirmedIn, expiresAtMs, operations))
end

local outcome = 'parked'
if isDirty ~= '1' then
  outcome = 'gone'
elseif held ~= version then
  outcome = 'superseded'
end

for i = 4, #ARGV do
  redis.call('XACK', changes, group, ARGV[i])
  redis.call('XDEL', changes, ARGV[i])
end
if outcome == 'gone' then
  redis.call('ZREM', dirty, session)
  redis.call('HDEL', parked, session)
  return outcome
end
local event = eventOf(announcedAs)
local announced = event ~= '' and #redis.call('XRANGE', changes, event, event) == 1
if outcome == 'parked' then
  redis.call('HSET', parked, session, record)
  if not announced then
    announce('')
  end
elseif not announced then
  announce(redis.call('XADD', changes, '*', 'k', session))
end
return outcome
