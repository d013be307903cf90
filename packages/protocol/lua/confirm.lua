#!lua
-- confirm: a session of an earlier epoch was compared with its row. From now on it is trusted, or the newer row replaces
-- it, because Redis may have come back older than PostgreSQL.
--
-- KEYS  1 session  hash    2 meta  hash
-- ARGV  1 version     what Redis held when the row was read
--       2 epoch       what the caller knew before the row was read
--       3 rowVersion  '0' = there is no row
--       4 state       of the row, JSON text, '' for a tombstone
--       5 tombstone   '0' | '1'
--       6 ofRow       its operations, 'opId=version opId=version …', newest first; '' = none
--       7 ttlMs       how long the adopted session stays, ms
-- Returns  'confirmed'   the row is not newer; or only its version is higher, and a consumer reissues the session above it
--          'adopted'     Redis has the row now
--          'outdated'    the row is newer and the session is dirty: the row counts. A consumer adopts it and archives
--                        the losing state
--          'superseded'  saved or removed since, or another epoch began: load again
-- Writes   session, meta. Refused before any effect when memory is full.

local session, meta = KEYS[1], KEYS[2]
local version, epoch, rowVersion, state, tombstone, ofRow = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local ttlMs = string.format('%.0f', ARGV[7])

--#include header
--#include format-header
--#include operations
--#include floor
--#include epoch
--#include wins-over
--#include raise-floor

local header = redis.call('HGET', session, 'm') or ''
local held, isDirty, ofTombstone, event, savedIn, _, expiresAtMs, at = readHeader(header)
local opened = redis.call('HMGET', meta, 'epoch', 'serverEpoch', 'seeded', 'floor')
if held ~= version or epochOf(opened[1]) ~= epoch then
  return 'superseded'
end
raiseFloor(meta, floorOf(opened[4]), rowVersion)
local wins = isDirty == '1' and tonumber(rowVersion) <= tonumber(winsOver(savedIn, opened[2], opened[3]))
if wins or tonumber(rowVersion) <= tonumber(version) then
  local operations = string.sub(header, at)
  redis.call('HSET', session, 'm', formatHeader(held, isDirty, ofTombstone, event, savedIn, epoch, expiresAtMs, operations))
  return 'confirmed'
end
if isDirty == '1' then
  return 'outdated'
end
redis.call('HSET', session,
  's', state, 'm', formatHeader(rowVersion, '0', tombstone, '', '', epoch, '', operationsOf(ofRow)))
redis.call('PEXPIRE', session, ttlMs)
return 'adopted'
