#!lua flags=allow-oom
-- install: stores the writer mode of a partition as PostgreSQL has it. The mode only moves to a higher term; one that is
-- void may also get its own term again. Whoever slept since it read PostgreSQL is refused: then another epoch began, or
-- the term is not higher (P10).
--
-- KEYS  1 meta  hash    2 dirty  zset
-- ARGV  1 mode    'direct' | 'to_redis' | 'redis' | 'to_direct'
--       2 term    of the mode
--       3 period  the term at which the present Redis period began
--       4 floor   for 'redis': no version at or below this is issued; '0' = none is known
--       5 epoch   what meta had before the caller read PostgreSQL
-- Returns  { outcome, mode, dirty }   mode: the text that is stored now, '' = none. dirty: how many sessions are dirty.
--          The outcomes:
--          'installed'
--          'known'       the term is not higher than the stored one
--          'void'        Redis may have lost the seal of this way back, and what was done after it: begin it anew
--          'epoch'       another epoch began, or the partition was not opened: open it, and read PostgreSQL again
--          'unreadable'  another program overwrote the mode, or for 'redis' the floor: open-partition writes the mode
--                        again, and with the floor of a consumer the floor
-- Writes   meta. allow-oom: the way back to direct saves must be open when Redis is full (P7).

local meta, dirty = KEYS[1], KEYS[2]
local mode, term, period, floor, epoch = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

--#include floor
--#include epoch
--#include new-epoch
--#include mode
--#include format-mode

local read = redis.call('HMGET', meta, 'mode', 'epoch', 'floor')
local modeText, present, held = read[1], epochOf(read[2]), floorOf(read[3] or '')
local dirtySessions = redis.call('ZCARD', dirty)
local storedMode, storedTerm, storedPeriod, periodEpoch = 'void', '0', '0', '0'
if modeText then
  storedMode, storedTerm, storedPeriod, periodEpoch = readMode(modeText)
end
local isVoid = storedMode == 'void'
if not storedMode or (mode == 'redis' and not held) then
  return { 'unreadable', modeText or '', dirtySessions }
end
if present == '' or present ~= epoch then
  return { 'epoch', modeText or '', dirtySessions }
end
if term + 0 < storedTerm + 0 or (term + 0 == storedTerm + 0 and not isVoid) then
  return { 'known', modeText or '', dirtySessions }
end

if isVoid and mode == 'to_direct' then
  return { 'void', modeText or '', dirtySessions }
end

local time = redis.call('TIME')
local nowUs = time[1] * 1000000 + time[2]
local isNewPeriod = period + 0 ~= storedPeriod + 0
-- What Redis has from before may be older than what was saved directly. By the period in every mode: this Redis may not
-- have heard that the period began.
if isNewPeriod or (mode == 'redis' and term + 0 ~= storedTerm + 0) then
  present = epochAfter(present, nowUs)
  redis.call('HSET', meta, 'epoch', present)
end
if mode == 'redis' then
  local raisedTo = math.max(held, math.min(tonumber(floor), MAX_RAISED))
  raisedTo = isVoid and floorWithGap(raisedTo, nowUs) or raisedTo
  if raisedTo > held then
    redis.call('HSET', meta, 'floor', string.format('%.0f', math.min(raisedTo, MAX_VERSION)))
  end
end
modeText = formatMode(mode, term, period, isNewPeriod and present or periodEpoch)
redis.call('HSET', meta, 'mode', modeText)
return { 'installed', modeText, dirtySessions }
