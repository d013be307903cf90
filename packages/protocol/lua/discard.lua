#!lua flags=allow-oom
-- discard: gives up a parked session's unsynced change. The next load restores what PostgreSQL has.
--
-- KEYS  1 changes  stream    2 dirty  zset    3 parked  hash    4 session  hash
-- ARGV  1 group
--       2 version  the version that was shown to the person who decided
-- Returns  'discarded' | 'superseded' (saved since: nothing changed) | 'gone' (not parked)
--          | 'unreadable' (the value under its key is not a session: nothing changed)
-- Writes   session, changes, dirty, parked

local changes, dirty, parked, session = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, version = ARGV[1], ARGV[2]

--#include header
--#include read-session
--#include event

redis.call('XLEN', changes)
redis.call('ZCARD', dirty)
local held, _, _, announcedAs = readSession(session)
local event = eventOf(announcedAs)
if redis.call('HEXISTS', parked, session) == 0 then
  return 'gone'
end
if held == 'unreadable' then
  return held
end
if held ~= 'gone' and held ~= version then
  return 'superseded'
end

if event ~= '' then
  redis.call('XACK', changes, group, event)
  redis.call('XDEL', changes, event)
end
redis.call('DEL', session)
redis.call('ZREM', dirty, session)
redis.call('HDEL', parked, session)
return 'discarded'
