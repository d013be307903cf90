#!lua flags=allow-oom
-- resync: makes clean sessions dirty again, with the version they have, and announces them, because PostgreSQL may have
-- lost commits. A version that PostgreSQL still has becomes a duplicate. A session that was restored from a row is
-- compared again at its next load, because that row may be gone.
--
-- KEYS  1 changes  stream    2 dirty  zset    3.. session  hash, each once
-- ARGV  1 sinceVersion  sessions with an older version do not change; '0' = all are announced
-- Returns  one text for each session, in the order of KEYS:
--          'announced' | 'dirty' (announced already) | 'older' | 'gone'
--          | 'unreadable' (the value under its key is not a session; it does not change)
-- Writes   changes, dirty, session. allow-oom: one event for each session (P8); a session that is not announced may expire.

local changes, dirty = KEYS[1], KEYS[2]
local sinceVersion = tonumber(ARGV[1])

--#include header
--#include format-header
--#include read-session

redis.call('XLEN', changes)
redis.call('ZCARD', dirty)
local time = redis.call('TIME')
local nowUs = string.format('%.0f', time[1] * 1000000 + time[2])
local outcomes, headers = {}, {}
for i = 3, #KEYS do
  local version, isDirty, tombstone, _, savedIn, _, expiresAtMs, operations = readSession(KEYS[i])
  if not isDirty then
    outcomes[i - 2] = version
  elseif isDirty == '1' then
    outcomes[i - 2] = 'dirty'
  elseif tonumber(version) < sinceVersion then
    outcomes[i - 2] = 'older'
  else
    outcomes[i - 2] = 'announced'
    headers[i - 2] = { version, tombstone, savedIn, expiresAtMs, operations }
  end
end

for i = 3, #KEYS do
  if outcomes[i - 2] == 'announced' then
    local event = redis.call('XADD', changes, '*', 'k', KEYS[i])
    -- The session itself last, as in save.
    redis.call('ZADD', dirty, 'NX', nowUs, KEYS[i])
    redis.call('PERSIST', KEYS[i])
    local version, tombstone, savedIn, expiresAtMs, operations = unpack(headers[i - 2])
    redis.call('HSET', KEYS[i], 'm', formatHeader(version, '1', tombstone, event, savedIn, '', expiresAtMs, operations))
  end
end
return outcomes
