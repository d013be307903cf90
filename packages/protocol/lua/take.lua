#!lua flags=no-writes
-- take: reads what the announced sessions hold now. It changes nothing: the event stays the session's
-- announcement until settle, so a session has at most one event in the stream however often it is saved (P8).
--
-- KEYS  1 parked  hash    2 meta  hash    3.. session  hash
-- ARGV  1 maxBytes  stop before the states exceed this, bytes: the caller has room for no more
--       2 tableId   identity of the table the caller syncs to; '' = not compared
-- Returns  { nowUs, outcome, state, outcome, state, … }: two texts a session, in the order of KEYS, up to the first
--          that does not fit. Ask for the rest again; for one that does not fit alone, with a larger maxBytes.
--          'dirty version tombstone winsOver parked', state    parked: its record, or nothing; winsOver: rows up to
--          this version are older whatever their versions say, '0' = none: the session was saved since Redis had
--          lost everything, and these were there before
--          'clean', ''       nothing to sync: synced already, or vanished
--          'unreadable', ''  something that is no session stands under its key
-- Error NOTOPENED  the partition was not opened on this server: its epoch is another one's; or its sessions are synced
--                  to another table
-- Writes   nothing, so it also runs when memory is full (P7)

local parked, meta = KEYS[1], KEYS[2]
local maxBytes, tableId = tonumber(ARGV[1]), ARGV[2]

-- Whether a hash has what save writes.
local function isSession(version, dirty)
  return version and string.find(version, '^%d+$') and (dirty == '0' or dirty == '1')
end

local time = redis.call('TIME')
local nowUs = string.format('%.0f', time[1] * 1000000 + time[2])
local opened = redis.call('HMGET', meta, 'serverEpoch', 'server', 'seeded', 'table')
if
  opened[2]
  and opened[2]
    ~= string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
      .. string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
then
  return redis.error_reply('NOTOPENED the partition was opened on another server')
end
if opened[4] and tableId ~= '' and opened[4] ~= tableId then
  return redis.error_reply('NOTOPENED the sessions are synced to another table')
end
-- With one that is no number no session wins.
local serverEpoch = tonumber(string.match(opened[1] or '0', '^%d+$')) or math.huge
local seeded = string.match(opened[3] or '', '^%d+$') or '0'
local anyParked = redis.call('HLEN', parked) > 0
local reply, bytes = { nowUs }, 0
for i = 3, #KEYS do
  local outcome, state = 'clean', ''
  local stored = redis.pcall('HMGET', KEYS[i], 'd', 'v', 's', 't', 'e')
  if stored.err and not string.find(stored.err, 'WRONGTYPE', 1, true) then
    return stored
  elseif stored.err or ((stored[1] or stored[2]) and not isSession(stored[2], stored[1])) then
    outcome = 'unreadable'
  elseif stored[1] == '1' and not (stored[3] and (stored[4] == '0' or stored[4] == '1')) then
    outcome = 'unreadable'
  elseif stored[1] == '1' then
    state = stored[3]
    if bytes + #state > maxBytes then
      break
    end
    bytes = bytes + #state
    local record = anyParked and redis.call('HGET', parked, KEYS[i]) or ''
    local winsOver = (tonumber(string.match(stored[5] or '', '^%d+$')) or 0) >= serverEpoch and seeded or '0'
    outcome = 'dirty ' .. stored[2] .. ' ' .. stored[4] .. ' ' .. winsOver .. ' ' .. record
  end
  reply[#reply + 1] = outcome
  reply[#reply + 1] = state
end
return reply
