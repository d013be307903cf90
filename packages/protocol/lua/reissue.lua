#!lua flags=allow-oom
-- reissue: gives a session a new version and announces it, so that PostgreSQL gets what Redis holds. For a repair
-- (the row is missing, older, or of the same version with another state), and for a save that was made after Redis
-- had lost everything, its clock too, and got a version below its row's.
--
-- KEYS  1 session  hash    2 changes  stream    3 dirty  zset    4 hlc  string    5 meta  hash
-- ARGV  1 expectedVersion  what was compared with the row
--       2 isDirty  '0' | '1': what it was then
--       3 floor  the new version is above this: the row's
-- Returns  { 'reissued', version } | { 'superseded' } (saved, settled or removed since, or a dirty one that does
--          not win over such a row: Redis may have gone back to it, or not be the primary any more)
-- Error BADCLOCK  hlc holds nothing to count on from
-- Writes   session, changes, dirty, hlc

local session, changes, dirty, hlc, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local expectedVersion, isDirty, floor = ARGV[1], ARGV[2], tonumber(ARGV[3])

-- As MAX_VERSION of version.ts.
local MAX_VERSION = 4503599627370495
-- A row does not raise the clock above this: there is room to count on from it (2^40 below MAX_VERSION of version.ts).
local MAX_RAISED = 4502500115742719

-- '' for what is no id of an event: commands of streams fail on it, and the script with them.
local function eventOf(text)
  local ms, seq = string.match(text or '', '^(%d+)%-(%d+)$')
  return ms and #ms < 20 and #seq < 20 and text or ''
end

redis.call('XLEN', changes)
redis.call('ZCARD', dirty)
local lastIssued = tonumber(string.match(redis.call('GET', hlc) or '0', '^%d+$')) or math.huge
local stored = redis.call('HMGET', session, 'v', 'd', 'q', 'e')
local opened = redis.call('HMGET', meta, 'serverEpoch', 'server', 'seeded')
if stored[1] ~= expectedVersion or stored[2] ~= isDirty then
  return { 'superseded' }
end
if isDirty == '1' then
  local server = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
    .. string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
  local isLater = (tonumber(stored[4]) or 0) >= (tonumber(opened[1]) or 0)
  local wins = isLater and floor <= (tonumber(opened[3]) or 0)
  if not wins or (opened[2] and opened[2] ~= server) then
    return { 'superseded' }
  end
end

local time = redis.call('TIME')
local nowUs = time[1] * 1000000 + time[2]
local next = math.max(tonumber(expectedVersion) + 1, lastIssued + 1, floor + 1, nowUs)
if next > MAX_VERSION or next > math.max(lastIssued, MAX_RAISED, nowUs) + 1 then
  return redis.error_reply(
    'BADCLOCK ' .. hlc .. ' holds no version to count on from, or the session or its row is near the last'
  )
end
local version = string.format('%.0f', next)
local event = eventOf(stored[3])
if event == '' or #redis.call('XRANGE', changes, event, event) == 0 then
  event = redis.call('XADD', changes, '*', 'k', session)
end
-- The session itself last, as in save.
redis.call('SET', hlc, version)
redis.call('ZADD', dirty, 'NX', string.format('%.0f', nowUs), session)
redis.call('PERSIST', session)
redis.call('HSET', session, 'v', version, 'd', '1', 'q', event)
return { 'reissued', version }
