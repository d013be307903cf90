#!lua flags=allow-oom
-- adopt: PostgreSQL has a row that is newer than the session, so the row replaces the session (P6). The losing state is
-- archived before. The session belongs to no epoch: its next load compares it again, because Redis may have lost its
-- tail after the row was read.
--
-- KEYS  1 changes  stream    2 dirty  zset    3 parked  hash    4 session  hash    5 meta  hash
-- ARGV  1 losingVersion  the version of the session that lost
--       2 state          of the row, JSON text, '' for a tombstone
--       3 version        of the row
--       4 tombstone      '0' | '1'
--       5 operations     of the row, 'opId=version opId=version …', newest first; '' = none
--       6 ttlMs          how long the now clean session stays, ms
--       7 group
-- Returns  'adopted' | 'superseded' (saved or removed since: only the version floor is raised)
-- Writes   session, meta, changes, dirty, parked. allow-oom: part of draining (P7).

local changes, dirty, parked, session, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local losingVersion, state, version, tombstone, operations, ttlMs, group =
  ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], string.format('%.0f', ARGV[6]), ARGV[7]

--#include header
--#include format-header
--#include operations
--#include event
--#include floor
--#include raise-floor

redis.call('XLEN', changes)
redis.call('ZCARD', dirty)
redis.call('HLEN', parked)
local floor = floorOf(redis.call('HGET', meta, 'floor'))
local held, _, _, announcedAs = readHeader(redis.call('HGET', session, 'm') or '')
local event = eventOf(announcedAs)

if held ~= losingVersion then
  -- The next save of the session has to pass the row. A save of this epoch counts from the floor only where that is
  -- further ahead of the clock than a save puts it.
  raiseFloor(meta, floor, version + RESERVE_US)
  return 'superseded'
end
raiseFloor(meta, floor, version)
-- No effect where there is no TTL: a user who may not set one is refused before anything is written.
redis.call('PEXPIRE', session, ttlMs, 'XX')
if event ~= '' then
  redis.call('XACK', changes, group, event)
  redis.call('XDEL', changes, event)
end
redis.call('HSET', session, 's', state, 'm', formatHeader(version, '0', tombstone, '', '', '', '', operationsOf(operations)))
redis.call('PEXPIRE', session, ttlMs)
redis.call('ZREM', dirty, session)
redis.call('HDEL', parked, session)
return 'adopted'
