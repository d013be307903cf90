#!lua flags=allow-oom
-- forget-consumer: removes a consumer's name from the group, only while nothing is pending for it:
-- XGROUP DELCONSUMER would drop its pending events.
--
-- KEYS  1 changes  stream
-- ARGV  1 group  2 consumer
-- Returns  'forgotten' | 'pending' | 'absent'
-- Writes   changes

local changes = KEYS[1]
local group, consumer = ARGV[1], ARGV[2]

--#include info-named

if redis.call('EXISTS', changes) == 0 then
  return 'absent'
end
local consumers = redis.pcall('XINFO', 'CONSUMERS', changes, group)
if consumers.err then
  return string.find(consumers.err, 'NOGROUP', 1, true) and 'absent' or consumers
end
local info = infoNamed(consumers, consumer)
if not info then
  return 'absent'
end
if info['pending'] > 0 then
  return 'pending'
end
redis.call('XGROUP', 'DELCONSUMER', changes, group, consumer)
return 'forgotten'
