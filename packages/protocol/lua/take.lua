#!lua flags=no-writes
-- take: reads what the announced sessions hold now. It changes nothing: the event stays the session's
-- announcement until settle, so a session has at most one event in the stream however often it is saved (P8).
--
-- KEYS  1 parked  hash    2 meta  hash    3.. session  hash
-- ARGV  1 maxBytes  stop before the states exceed this, bytes; the first dirty session always fits
-- Returns  { nowUs, taken } with one entry a session, in the order of KEYS:
--          { 'dirty', state, version, tombstone, parked, winsOver }   parked: its record, or ''; winsOver: rows up to
--          this version are older whatever their versions say, '0' = none: the session was saved since Redis had
--          lost everything, and these were there before
--          { 'clean' }     nothing to carry: synced already, or vanished
--          { 'deferred' }  did not fit, ask again
--          { 'unreadable' }  something that is no session stands under its key
-- Error NOTOPENED  the partition was not opened on this server: its epoch is another one's
-- Writes   nothing, so it also runs when memory is full (P7)

local parked, meta = KEYS[1], KEYS[2]
local maxBytes = tonumber(ARGV[1])

local time = redis.call('TIME')
local nowUs = string.format('%.0f', time[1] * 1000000 + time[2])
local opened = redis.call('HMGET', meta, 'serverEpoch', 'server', 'seeded')
if
  opened[2]
  and opened[2]
    ~= string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
      .. string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
then
  return redis.error_reply('NOTOPENED the partition was opened on another server')
end
local taken, bytes = {}, 0
local anyParked = redis.call('HLEN', parked) > 0
for i = 3, #KEYS do
  local flags = redis.pcall('HMGET', KEYS[i], 'd', 'v')
  if flags.err and not string.find(flags.err, 'WRONGTYPE', 1, true) then
    return flags
  elseif flags.err then
    taken[i - 2] = { 'unreadable' }
  elseif flags[1] ~= '1' or not flags[2] then
    taken[i - 2] = { 'clean' }
  else
    local size = redis.call('HSTRLEN', KEYS[i], 's')
    if bytes > 0 and bytes + size > maxBytes then
      taken[i - 2] = { 'deferred' }
    else
      bytes = bytes + size
      local stored = redis.call('HMGET', KEYS[i], 's', 't', 'e')
      local record = anyParked and redis.call('HGET', parked, KEYS[i]) or ''
      local isLater = (tonumber(stored[3]) or 0) >= (tonumber(opened[1]) or 0)
      taken[i - 2] = { 'dirty', stored[1], flags[2], stored[2], record or '', isLater and opened[3] or '0' }
    end
  end
end
return { nowUs, taken }
