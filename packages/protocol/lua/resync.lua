#!lua flags=allow-oom
-- resync: makes clean sessions dirty again, at the version they have, and announces them: PostgreSQL may have lost
-- what it committed. One it still has is found to be a duplicate. What was restored from a row before is compared with
-- it again when it is loaded: that row may be gone.
--
-- KEYS  1 changes  stream    2 dirty  zset    3.. session  hash, each once
-- ARGV  1 sinceVersion  sessions at an older version are left alone; '0' = none are
-- Returns  one text a session, in the order of KEYS:
--          'announced' | 'dirty' (announced already) | 'older' | 'gone'
--          | 'unreadable' (something that is no session stands under its key; it is left as it is)
-- Writes   changes, dirty, session. allow-oom: one event a session (P8), and what is not announced may expire.

local changes, dirty = KEYS[1], KEYS[2]
local sinceVersion = tonumber(ARGV[1])

-- Whether a hash has what save writes.
local function isSession(version, dirty)
  return version and string.find(version, '^%d+$') and (dirty == '0' or dirty == '1')
end

redis.call('XLEN', changes)
redis.call('ZCARD', dirty)
local time = redis.call('TIME')
local nowUs = string.format('%.0f', time[1] * 1000000 + time[2])
local outcomes = {}
for i = 3, #KEYS do
  local stored = redis.pcall('HMGET', KEYS[i], 'v', 'd')
  if stored.err and not string.find(stored.err, 'WRONGTYPE', 1, true) then
    return stored
  elseif not stored.err and not stored[1] and not stored[2] then
    outcomes[i - 2] = 'gone'
  elseif stored.err or not isSession(stored[1], stored[2]) then
    outcomes[i - 2] = 'unreadable'
  elseif stored[2] ~= '0' then
    outcomes[i - 2] = 'dirty'
  elseif tonumber(stored[1]) < sinceVersion then
    outcomes[i - 2] = 'older'
  else
    outcomes[i - 2] = 'announced'
  end
end

for i = 3, #KEYS do
  if outcomes[i - 2] == 'announced' then
    local event = redis.call('XADD', changes, '*', 'k', KEYS[i])
    -- The session itself last, as in save.
    redis.call('ZADD', dirty, 'NX', nowUs, KEYS[i])
    redis.call('PERSIST', KEYS[i])
    redis.call('HSET', KEYS[i], 'd', '1', 'q', event, 'c', '')
  end
end
return outcomes
