#!lua flags=no-writes
-- take: reads the newest states of announced sessions. It changes nothing: the event announces the session until
-- settle. So a session has at most one event in the stream, however often it is saved (P8).
--
-- KEYS  1 parked  hash    2 meta  hash    3.. session  hash
-- ARGV  1 maxBytes  stop before the states exceed this, bytes
--       2 tableId   identity of the table the caller syncs to; '' = not compared
-- Returns  { nowUs, period, outcome, state, outcome, state, … }: two texts for each session, in the order of KEYS, up to
--          the first that does not fit. Ask again for the rest; if one alone does not fit, with a larger maxBytes.
--          period: of the writer mode, '0' = none is stored.
--          The outcomes:
--          'dirty version tombstone winsOver opId=version …\nparked', state    winsOver: rows up to this version are
--          older, even if their versions are higher; '0' = none. They were there when Redis had lost everything,
--          and the session was saved after that. opId=version …: its last operations, as its header has them.
--          parked: after a line break its record, or nothing
--          'leftover version tombstone', state   dirty, and saved before this period began: somebody may have saved it
--          directly since. What came from a row is none: the version guard is enough for it
--          'clean', ''       nothing to sync: synced already, or gone
--          'unreadable', ''  the value under its key is not a session
-- Error NOTOPENED  the partition was not opened on this server, so its epoch belongs to another one; or its sessions
--                  are synced to another table
-- Writes   nothing, so it also runs when memory is full (P7)

local parked, meta = KEYS[1], KEYS[2]
local maxBytes, tableId = tonumber(ARGV[1]), ARGV[2]

--#include header
--#include wins-over
--#include server
--#include mode

local time = redis.call('TIME')
local nowUs = string.format('%.0f', time[1] * 1000000 + time[2])
local opened = redis.call('HMGET', meta, 'serverEpoch', 'server', 'seeded', 'table', 'mode')
if opened[2] and opened[2] ~= serverIdentity() then
  return redis.error_reply('NOTOPENED the partition was opened on another server')
end
if opened[4] and tableId ~= '' and opened[4] ~= tableId then
  return redis.error_reply('NOTOPENED the sessions are synced to another table')
end
local anyParked = redis.call('HLEN', parked) > 0
local _, _, period, periodEpoch = readMode(opened[5] or '')
-- By the epoch in which a session was saved; there are few.
local winsOverOf, isLeftover = {}, {}
local reply, bytes = { nowUs, period or '0' }, 0
for i = 3, #KEYS do
  local outcome, state = 'clean', ''
  local stored = redis.pcall('HMGET', KEYS[i], 'm', 's')
  if stored.err and not string.find(stored.err, 'WRONGTYPE', 1, true) then
    return stored
  end
  local version, isDirty, tombstone, _, savedIn, _, _, at = readHeader(stored[1] or '')
  local isMissing = isDirty == '1' and not stored[2]
  if stored.err or isMissing or (not version and (stored[1] or stored[2])) then
    outcome = 'unreadable'
  elseif isDirty == '1' then
    state = stored[2]
    if bytes + #state > maxBytes then
      break
    end
    bytes = bytes + #state
    if not winsOverOf[savedIn] then
      winsOverOf[savedIn] = winsOver(savedIn, opened[1], opened[3])
      local saved = string.match(savedIn, '^%d+$')
      isLeftover[savedIn] = periodEpoch and savedIn ~= '' and (not saved or saved + 0 < periodEpoch + 0)
    end
    if isLeftover[savedIn] then
      outcome = 'leftover ' .. version .. ' ' .. tombstone
    else
      local record = anyParked and redis.call('HGET', parked, KEYS[i]) or ''
      outcome = 'dirty ' .. version .. ' ' .. tombstone .. ' ' .. winsOverOf[savedIn]
        .. string.sub(stored[1], at) .. '\n' .. record
    end
  end
  reply[#reply + 1] = outcome
  reply[#reply + 1] = state
end
return reply
