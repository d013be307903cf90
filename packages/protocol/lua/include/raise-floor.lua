-- A version that Redis did not issue is at or below the floor from now on (P3). A floor that cannot be counted from stays.
local function raiseFloor(meta, floor, version)
  local raisedTo = math.min(tonumber(version), MAX_RAISED)
  if floor and raisedTo > floor then
    redis.call('HSET', meta, 'floor', string.format('%.0f', raisedTo))
  end
end
