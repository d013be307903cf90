#!lua flags=allow-oom
-- open-partition: stores the layout of the data at the first call, and refuses another layout from then on. It stores
-- to which table of PostgreSQL the sessions are synced, and refuses a caller that names another table. It starts a new
-- epoch if the partition is on another server than before, raises the version floor, and creates the group. The writer
-- mode is void on another server, because Redis may have lost a change of it: nobody saves until it is installed again.
--
-- An epoch is the time between two moments at which Redis may have lost the end of its data: a restart, a
-- promotion, a move to another node. A session of an earlier epoch is compared with PostgreSQL before it is
-- trusted again.
--
-- KEYS  1 meta  hash    2 changes  stream
-- ARGV  1 partitions  2 hashName  3 protocolVersion   the layout this process was built or configured for
--       4 lowestReadable  the lowest protocol this process reads
--       5 floor  no version at or below this is issued again; '0' leaves the floor alone
--       6 group  '' = do not create one
--       7 inFlightMs  how long a consumer may still commit what it took before the change, ms. After that a second
--                     epoch follows, so that what was trusted too early is compared once more
--       8 tableId  identity of the table that the caller reads or writes; '' = not known. Together with a floor it
--                is stored, if none was
--       9 tableName  for people
--       10 ofRollout  '1': the caller knows that the partition has a writer mode, so it is void where none is stored
-- Returns  { 'opened' | 'created' | 'renewed', isSeeded '0'|'1', epoch, serverEpoch, table, tableName, mode }   renewed:
--          the stream had reached its last id and took no more events; it was created again, and sweep has to announce
--          what was in it. isSeeded: a floor was given, now or before, and versions can be counted from the floor.
--          serverEpoch: the first epoch on this server. table: '' = none is stored. mode: the text of the writer
--          mode, '' = none is stored
--          { 'mismatch', partitions, hashName, protocol, minProtocol }   what the data was written with, and the lowest
--          protocol that may read it
--          { 'other_table', … }   the same; the sessions are synced to that table, and nothing was written
-- Writes   meta, changes. allow-oom: a consumer must be able to start and drain a full Redis (P7).

local meta, changes = KEYS[1], KEYS[2]
local partitions, hashName, protocolVersion, lowestReadable = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local floor, group, inFlightMs = ARGV[5], ARGV[6], tonumber(ARGV[7])
local tableId, tableName, ofRollout = ARGV[8], ARGV[9], ARGV[10]

--#include floor
--#include server
--#include new-epoch
--#include mode
--#include format-mode

local layout = redis.call('HMGET', meta, 'partitions', 'hash', 'protocol', 'minProtocol')
local epoch, serverEpoch, knownServer, epochEndsAtMs, isSeeded, modeText =
  unpack(redis.call('HMGET', meta, 'epoch', 'serverEpoch', 'server', 'epochEndsAtMs', 'seeded', 'mode'))
local syncedTo = redis.call('HMGET', meta, 'table', 'tableName')
local heldText = redis.call('HGET', meta, 'floor')
-- What was issued is not known without one; the given one replaces it, because what is not in Redis is in PostgreSQL.
local held = heldText and floorOf(heldText)
local raisedTo = math.max(held or 0, math.min(tonumber(floor), MAX_RAISED))
local protocol = whole(layout[3]) or 0
local minProtocol = layout[4] and (whole(layout[4]) or math.huge) or protocol
local isReadable = protocol >= tonumber(lowestReadable) and minProtocol <= tonumber(protocolVersion)
local isWritten = layout[1] or layout[3] or layout[4]
if isWritten and (layout[1] ~= partitions or layout[2] ~= hashName or not isReadable) then
  return { 'mismatch', layout[1] or '', layout[2] or '', layout[3] or '', layout[4] or '' }
end
if syncedTo[1] and tableId ~= '' and syncedTo[1] ~= tableId then
  return {
    'other_table', isSeeded and '1' or '0', epoch or '', serverEpoch or '', syncedTo[1], syncedTo[2] or '',
    modeText or '',
  }
end

local time = redis.call('TIME')
local nowUs = time[1] * 1000000 + time[2]
local nowMs = math.floor(nowUs / 1000)
local server = serverIdentity()
local isOtherServer = knownServer ~= server or not whole(epoch) or not whole(serverEpoch)
-- The clock may have stepped back since the end was set.
local endsInMs = (whole(epochEndsAtMs) or 0) - nowMs
local isOver = epochEndsAtMs and (endsInMs <= 0 or endsInMs > inFlightMs)
if isOtherServer then
  raisedTo = floorWithGap(raisedTo, nowUs)
end
local mode, term, period, periodEpoch = readMode(modeText or '')
-- What it was is not known: another program wrote it, or it is gone.
local isModeLost = not mode and (modeText or ofRollout == '1')

-- 10^19 ms and above: no clock wrote that, and XADD always fails after the last id.
local isExhausted = false
if group ~= '' then
  local info = redis.pcall('XINFO', 'STREAM', changes)
  for i = 1, info.err and 0 or #info, 2 do
    isExhausted = isExhausted or (info[i] == 'last-generated-id' and string.find(info[i + 1], '^' .. string.rep('%d', 20)))
  end
end
if isExhausted then
  redis.call('DEL', changes)
end
-- Always from 0: a group that starts at '$' would skip what was announced before it existed.
if group ~= '' then
  local created = redis.pcall('XGROUP', 'CREATE', changes, group, '0', 'MKSTREAM')
  if created.err and not string.find(created.err, 'BUSYGROUP', 1, true) then
    return created
  end
end
if not isWritten then
  redis.call('HSET', meta, 'partitions', partitions, 'hash', hashName, 'protocol', protocolVersion,
    'minProtocol', protocolVersion)
end
if raisedTo > (held or 0) and (held or not heldText or floor ~= '0') then
  redis.call('HSET', meta, 'floor', string.format('%.0f', math.min(raisedTo, MAX_VERSION)))
end
-- Once: rows that came later are no older than what is saved here (see take).
if floor ~= '0' and not isSeeded then
  redis.call('HSET', meta, 'seeded', floor)
end
if floor ~= '0' and tableId ~= '' and not syncedTo[1] then
  redis.call('HSET', meta, 'table', tableId, 'tableName', tableName)
  syncedTo = { tableId, tableName }
end
if isModeLost or (mode and isOtherServer) then
  modeText = formatMode('void', term or '0', period or '0', periodEpoch or '0')
  redis.call('HSET', meta, 'mode', modeText)
end
-- Also for a lost mode: whoever read PostgreSQL before that may not install what it read.
if isOtherServer or isOver or isModeLost then
  epoch = epochAfter(epoch, nowUs, isOtherServer)
  redis.call('HSET', meta, 'epoch', epoch)
  if isOtherServer then
    local endsAtMs = string.format('%.0f', nowMs + inFlightMs)
    serverEpoch = epoch
    redis.call('HSET', meta, 'server', server, 'serverEpoch', epoch, 'epochEndsAtMs', endsAtMs)
  elseif isOver then
    redis.call('HDEL', meta, 'epochEndsAtMs')
  end
end
return {
  isExhausted and 'renewed' or isWritten and 'opened' or 'created',
  (floor ~= '0' or (isSeeded and held)) and '1' or '0',
  epoch,
  serverEpoch,
  syncedTo[1] or '',
  syncedTo[2] or '',
  modeText or '',
}
