#!lua flags=no-writes
-- take: reads what the announced sessions hold now. It changes nothing: the event stays the session's
-- announcement until settle, so a session has at most one event in the stream however often it is saved (P8).
--
-- KEYS  1 parked  hash    2.. session  hash
-- ARGV  1 maxBytes  stop before the states exceed this, bytes; the first dirty session always fits
-- Returns  { nowUs, taken } with one entry a session, in the order of KEYS:
--          { 'dirty', state, version, tombstone, parked }   parked: its record, or ''
--          { 'clean' }     nothing to carry: synced already, or vanished
--          { 'deferred' }  did not fit, ask again
-- Writes   nothing, so it also runs when memory is full (P7)

local parked = KEYS[1]
local maxBytes = tonumber(ARGV[1])

local time = redis.call('TIME')
local nowUs = string.format('%.0f', time[1] * 1000000 + time[2])
local taken, bytes = {}, 0
local anyParked = redis.call('HLEN', parked) > 0
for i = 2, #KEYS do
  local flags = redis.call('HMGET', KEYS[i], 'd', 'v')
  if flags[1] ~= '1' or not flags[2] then
    taken[i - 1] = { 'clean' }
  else
    local size = redis.call('HSTRLEN', KEYS[i], 's')
    if bytes > 0 and bytes + size > maxBytes then
      taken[i - 1] = { 'deferred' }
    else
      bytes = bytes + size
      local stored = redis.call('HMGET', KEYS[i], 's', 't')
      local record = anyParked and redis.call('HGET', parked, KEYS[i]) or ''
      taken[i - 1] = { 'dirty', stored[1], flags[2], stored[2], record or '' }
    end
  end
end
return { nowUs, taken }
