#!lua flags=allow-oom
-- reissue: gives a session a new version and announces it, so that PostgreSQL gets the state of Redis. It is for a repair
-- (the row is missing, is older, or has the same version and another state), and for a save with a version below its
-- row, made after Redis had lost everything, its floor too.
--
-- KEYS  1 session  hash    2 changes  stream    3 dirty  zset    4 meta  hash
-- ARGV  1 expectedVersion  what was compared with the row
--       2 isDirty  '0' | '1': what it was then
--       3 rowVersion  the new version is above this one
-- Returns  { 'reissued', version } | { 'superseded' } (saved, settled or removed since; or a dirty session that
--          does not win over its row, because Redis may have gone back to it, or is not the primary any more)
-- Error BADFLOOR  no version can be counted from the floor, or the session or its row is near the last version
-- Writes   session, changes, dirty, meta

local session, changes, dirty, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local expectedVersion, isDirty, rowVersion = ARGV[1], ARGV[2], tonumber(ARGV[3])

--#include header
--#include format-header
--#include event
--#include floor
--#include wins-over
--#include server

redis.call('XLEN', changes)
redis.call('ZCARD', dirty)
local header = redis.call('HGET', session, 'm') or ''
local held, heldDirty, tombstone, announcedAs, savedIn, confirmedIn, expiresAtMs, at = readHeader(header)
local opened = redis.call('HMGET', meta, 'serverEpoch', 'server', 'seeded', 'floor')
local floor = floorOf(opened[4])
if held ~= expectedVersion or heldDirty ~= isDirty then
  return { 'superseded' }
end
if isDirty == '1' then
  local wins = rowVersion <= tonumber(winsOver(savedIn, opened[1], opened[3]))
  if not wins or (opened[2] and opened[2] ~= serverIdentity()) then
    return { 'superseded' }
  end
end

local time = redis.call('TIME')
local nowUs = time[1] * 1000000 + time[2]
local next = math.max(tonumber(expectedVersion) + 1, (floor or 0) + 1, rowVersion + 1, nowUs)
if not floor or next > MAX_VERSION or next > math.max(floor, MAX_RAISED, nowUs) + 1 then
  return redis.error_reply(
    'BADFLOOR the floor in ' .. meta .. ' is not a valid version, or the session or its row is near the last'
  )
end
local version = string.format('%.0f', next)
local event = eventOf(announcedAs)
if event == '' or #redis.call('XRANGE', changes, event, event) == 0 then
  event = redis.call('XADD', changes, '*', 'k', session)
end
-- The session itself last, as in save.
redis.call('HSET', meta, 'floor', version)
redis.call('ZADD', dirty, 'NX', string.format('%.0f', nowUs), session)
redis.call('PERSIST', session)
local operations = string.sub(header, at)
redis.call('HSET', session, 'm',
  formatHeader(version, '1', tombstone, event, savedIn, confirmedIn, expiresAtMs, operations))
return { 'reissued', version }
