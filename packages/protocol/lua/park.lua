#!lua flags=allow-oom
-- park: records that PostgreSQL refuses this session as it is, then acknowledges its events (P4, P9).
-- The session stays dirty, so it neither expires nor disappears; sweep announces it again when its time comes.
--
-- KEYS  1 changes  stream    2 dirty  zset    3 parked  hash    4 session  hash
-- ARGV  1 group
--       2 version  the version that was refused, or is held back
--       3 record   JSON without state: version, sqlState, attempts, firstSeenMs, lastSeenMs, retryAtMs
--       4.. event ids
-- Returns  'parked' | 'superseded' (saved since: announced instead) | 'gone'
-- Writes   changes, dirty, parked, session. allow-oom, so that a full Redis still drains (P7).

local changes, dirty, parked, session = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, version, record = ARGV[1], ARGV[2], ARGV[3]

-- '' for what is no id of an event: commands of streams fail on it, and the script with them.
local function eventOf(text)
  local ms, seq = string.match(text or '', '^(%d+)%-(%d+)$')
  return ms and #ms < 20 and #seq < 20 and text or ''
end

redis.call('XLEN', changes)
redis.call('ZCARD', dirty)
redis.call('HLEN', parked)
local stored = redis.call('HMGET', session, 'v', 'd', 'q')

local outcome = 'parked'
if stored[2] ~= '1' then
  outcome = 'gone'
elseif stored[1] ~= version then
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
local event = eventOf(stored[3])
local announced = event ~= '' and #redis.call('XRANGE', changes, event, event) == 1
if outcome == 'parked' then
  redis.call('HSET', parked, session, record)
  if not announced then
    redis.call('HSET', session, 'q', '')
  end
elseif not announced then
  redis.call('HSET', session, 'q', redis.call('XADD', changes, '*', 'k', session))
end
return outcome
