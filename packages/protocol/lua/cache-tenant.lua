#!lua
-- cache-tenant: stores the loaded data of a tenant, unless it was invalidated during the load.
--
-- KEYS  1 tenant  string    2 lease  string
-- ARGV  1 token  2 info  JSON text  3 ttlMs
-- Returns  'cached' | 'refused'
-- Writes   tenant; removes lease

local tenant, lease = KEYS[1], KEYS[2]
local token, info, ttlMs = ARGV[1], ARGV[2], ARGV[3]

if redis.call('GET', lease) ~= token then
  return 'refused'
end
redis.call('SET', tenant, info, 'PX', ttlMs)
redis.call('DEL', lease)
return 'cached'
