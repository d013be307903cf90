-- The writer mode of a partition, the text in the field `mode` of `meta` (docs/protocol.md): mode, term, period,
-- periodEpoch, none longer than a number that Lua counts with. Nothing if the text is of another form.
local function readMode(text)
  local mode, term, period, periodEpoch = string.match(text, '^(%l[%l_]+) (%d+) (%d+) (%d+)$')
  if mode and #term < 16 and #period < 16 and #periodEpoch < 17
    and string.find(' direct to_redis redis to_direct sealed void ', ' ' .. mode .. ' ', 1, true) then
    return mode, term, period, periodEpoch
  end
end
