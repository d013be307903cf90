#!lua flags=allow-oom
-- open-partition: pins the layout of the data on first contact and refuses another one for ever after;
-- raises the partition's version floor; creates the consumer group.
--
-- KEYS  1 meta  hash    2 hlc  string    3 changes  stream
-- ARGV  1 partitions  2 hashName  3 protocolVersion   the layout this process was built or configured for
--       4 floor  no version at or below this is issued again; '0' leaves the clock alone
--       5 group  '' = do not create one
-- Returns  { 'opened' | 'created', hasClock '0'|'1' }   hasClock: versions were issued or seeded before
--          { 'mismatch', partitions, hashName, protocolVersion }   what the data was written with
-- Writes   meta, hlc, changes. allow-oom: a consumer must be able to start and drain a full Redis (P7).

local meta, hlc, changes = KEYS[1], KEYS[2], KEYS[3]
local partitions, hashName, protocolVersion, floor, group = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

local stored = redis.call('HMGET', meta, 'partitions', 'hash', 'protocol')
local lastIssued = redis.call('GET', hlc)
local raisesClock = tonumber(floor) > tonumber(lastIssued or '0')
if stored[1] and (stored[1] ~= partitions or stored[2] ~= hashName or stored[3] ~= protocolVersion) then
  return { 'mismatch', stored[1], stored[2] or '', stored[3] or '' }
end

-- Always from 0: a group that starts at '$' would skip what was announced before it existed.
if group ~= '' then
  local created = redis.pcall('XGROUP', 'CREATE', changes, group, '0', 'MKSTREAM')
  if created.err and not string.find(created.err, 'BUSYGROUP', 1, true) then
    return created
  end
end
if not stored[1] then
  redis.call('HSET', meta, 'partitions', partitions, 'hash', hashName, 'protocol', protocolVersion)
end
if raisesClock then
  redis.call('SET', hlc, floor)
  lastIssued = floor
end
return { stored[1] and 'opened' or 'created', lastIssued and '1' or '0' }
