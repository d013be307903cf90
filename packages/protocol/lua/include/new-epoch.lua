-- Whole, and none if the text is not.
local function whole(text)
  return tonumber(string.match(text or '', '^%d+$'))
end

local HOUR_US = 3600000000

-- From the clock, so that it is new even where Redis lost meta too. `apart`: two servers that know of the same last one
-- must not begin the same.
local function epochAfter(last, nowUs, apart)
  local lastMs, nowMs = whole(last) or 0, math.floor(nowUs / 1000)
  if lastMs >= nowMs and lastMs < MAX_VERSION then
    return string.format('%.0f', lastMs + 1 + (apart and math.floor(nowUs % HOUR_US / 1000) or 0))
  end
  return string.format('%.0f', nowMs)
end

-- Versions that were issued and then lost are not issued again to other saves: a session whose row has such a
-- version would be taken for written. Ten seconds, wider than two hosts' clocks differ, and the one that save reserves.
local EPOCH_GAP_US = 11000000
-- A clock that is behind does not move the floor. Two new servers would begin with the same floor if the second one
-- never heard of the first one. So the floor also rises with the time of the hour: room for 5,000 versions a second.
local US_OF_ONE_VERSION = 200

local function floorWithGap(floor, nowUs)
  local raisedTo = math.max(floor, nowUs) + EPOCH_GAP_US
  return floor > nowUs and raisedTo + math.floor(nowUs % HOUR_US / US_OF_ONE_VERSION) or raisedTo
end
