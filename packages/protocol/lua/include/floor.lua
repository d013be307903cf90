-- As MAX_VERSION of version.ts.
local MAX_VERSION = 4503599627370495
-- What comes from a row or a session alone does not raise the floor above this: there is room to count on from it
-- (2^40 below MAX_VERSION).
local MAX_RAISED = 4502500115742719
-- So far ahead of the clock a save raises the floor, so that most saves need not raise it.
local RESERVE_US = 1000000

-- The floor of a partition as a number; nothing for a text that is none, or the last version: there is none after it.
local function floorOf(text)
  local floor = string.find(text or '0', '^%d+$') and (text or 0) + 0
  return floor and floor < MAX_VERSION and floor
end
