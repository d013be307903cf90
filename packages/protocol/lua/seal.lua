#!lua flags=allow-oom
-- seal: closes a partition that is on its way back to direct saves, once everything in it is in PostgreSQL. It is the
-- evidence for opening PostgreSQL (P10). Nothing dirty and closed are one step: nobody saves in between.
--
-- KEYS  1 meta  hash    2 dirty  zset    3 parked  hash
-- ARGV  1 term      of the mode 'to_direct' that is to be sealed
--       2 database  place of the table the sessions were carried to, as partition 0 has it; '' = not compared
-- Returns  { outcome, mode, count }   mode: the text that is stored now, '' = none. The outcomes:
--          'sealed'    now, or before at this term and still true
--          'moved'     the mode is another one, or has another term
--          'parked'    PostgreSQL refused so many (count)
--          'dirty'     so many sessions (count) are not in PostgreSQL
--          'database'  the sessions were carried to another place; count is 0, as for sealed and moved
-- Writes   meta. allow-oom: the way back to direct saves must be open when Redis is full (P7).

local meta, dirty, parked = KEYS[1], KEYS[2], KEYS[3]
local term, database = ARGV[1], ARGV[2]

--#include mode
--#include format-mode

local read = redis.call('HMGET', meta, 'mode', 'database')
local modeText, carriedTo = read[1] or '', read[2] or ''
local dirtySessions, parkedSessions = redis.call('ZCARD', dirty), redis.call('HLEN', parked)
local mode, storedTerm, period, periodEpoch = readMode(modeText)
if (mode ~= 'to_direct' and mode ~= 'sealed') or storedTerm + 0 ~= term + 0 then
  return { 'moved', modeText, 0 }
end
-- They are dirty, too, and waiting does not help.
if parkedSessions > 0 then
  return { 'parked', modeText, parkedSessions }
end
if dirtySessions > 0 then
  return { 'dirty', modeText, dirtySessions }
end
if database ~= '' and carriedTo ~= database then
  return { 'database', modeText, 0 }
end
modeText = formatMode('sealed', storedTerm, period, periodEpoch)
redis.call('HSET', meta, 'mode', modeText)
return { 'sealed', modeText, 0 }
