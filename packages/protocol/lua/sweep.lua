#!lua flags=allow-oom
-- sweep: announces dirty sessions whose event was lost (P4). The event was trimmed, was deleted with the stream, or is
-- in no pending list after XGROUP DELCONSUMER. A lost event never means a lost sync.
--
-- KEYS  1 changes  stream    2 dirty  zset    3 parked  hash    4.. session  hash, each once
-- ARGV  1 group
--       2 ignoreRetryAt  '1' announces parked sessions, too, even if their next attempt is not due
--       3 aheadOf        '' | the time of Redis, us. The sessions are dirty since a later time, because the clock was
--                        ahead: that time is replaced by this one. A pending event is announced again, because
--                        with that clock nobody may claim it
-- Returns  one text for each session, in the order of KEYS:
--          'announced' | 'waiting' (its event will be delivered or claimed) | 'parked' | 'clean' (left the index)
--          | 'unreadable' (the value under its key is not a session; it does not change)
-- Writes   changes, dirty, parked, session. allow-oom: at most one event for each dirty session (P8).

local changes, dirty, parked = KEYS[1], KEYS[2], KEYS[3]
local group, ignoreRetryAt, aheadOf = ARGV[1], ARGV[2] == '1', ARGV[3]

-- Twice the longest wait (MAX_PARK_BACKOFF_MS), because the clocks of hosts differ. A later time comes from a clock that
-- was ahead.
local LONGEST_WAIT_MS = 7200000

--#include header
--#include format-header
--#include read-session
--#include event
--#include info-named

redis.call('XLEN', changes)
redis.call('ZCARD', dirty)
local anyParked = redis.call('HLEN', parked) > 0
local time = redis.call('TIME')
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)

-- Events above the last delivered one still reach a reader; without the group all of them will.
local deliveredMs, deliveredSeq = 0, 0
local groups = {}
if redis.call('EXISTS', changes) == 1 then
  groups = redis.call('XINFO', 'GROUPS', changes)
end
local ours = infoNamed(groups, group)
if ours then
  local ms, seq = string.match(ours['last-delivered-id'], '(%d+)-(%d+)')
  deliveredMs, deliveredSeq = tonumber(ms), tonumber(seq)
end

local function willArrive(event)
  if event == '' or #redis.call('XRANGE', changes, event, event) == 0 then
    return false
  end
  local ms, seq = string.match(event, '(%d+)-(%d+)')
  ms, seq = tonumber(ms), tonumber(seq)
  if ms > deliveredMs or (ms == deliveredMs and seq > deliveredSeq) then
    return true
  end
  return aheadOf == '' and #redis.call('XPENDING', changes, group, event, event, 1) == 1
end

-- A record that cannot be read does not hold its session back; the next attempt replaces it.
local function isHeldBack(session)
  local record = anyParked and redis.call('HGET', parked, session)
  local readable, decoded = pcall(cjson.decode, record or '')
  local retryAtMs = readable and type(decoded) == 'table' and decoded.retryAtMs
  return type(retryAtMs) == 'number' and retryAtMs > nowMs and retryAtMs <= nowMs + LONGEST_WAIT_MS
end

-- Every session is read before the first is written.
local outcomes, lost = {}, {}
for i = 4, #KEYS do
  local version, isDirty, tombstone, event, savedIn, confirmedIn, expiresAtMs, operations = readSession(KEYS[i])
  event = eventOf(event)
  if version == 'unreadable' then
    outcomes[i - 3] = version
  elseif isDirty ~= '1' then
    outcomes[i - 3] = 'clean'
  elseif willArrive(event) then
    outcomes[i - 3] = 'waiting'
  elseif not ignoreRetryAt and isHeldBack(KEYS[i]) then
    outcomes[i - 3] = 'parked'
  else
    outcomes[i - 3] = 'announced'
    lost[i - 3] = { event, version, tombstone, savedIn, confirmedIn, expiresAtMs, operations }
  end
end

for i = 4, #KEYS do
  local session, outcome = KEYS[i], outcomes[i - 3]
  if aheadOf ~= '' then
    redis.call('ZADD', dirty, 'XX', 'LT', aheadOf, session)
  end
  if outcome == 'clean' then
    redis.call('ZREM', dirty, session)
    if anyParked then
      redis.call('HDEL', parked, session)
    end
  elseif outcome == 'announced' then
    local event, version, tombstone, savedIn, confirmedIn, expiresAtMs, operations = unpack(lost[i - 3])
    if event ~= '' then
      redis.call('XDEL', changes, event)
    end
    event = redis.call('XADD', changes, '*', 'k', session)
    redis.call('HSET', session, 'm',
      formatHeader(version, '1', tombstone, event, savedIn, confirmedIn, expiresAtMs, operations))
  end
end
return outcomes
