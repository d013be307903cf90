-- The writer mode of a partition, the text in the field `mode` of `meta` (docs/protocol.md): mode, term, period,
-- periodEpoch, none longer than a number that Lua counts with. Nothing if the text is of another form.
local function readMode(text)
  local mode, term, period, periodEpoch = string.match(text, '^(%l[%l_]+) (%d+) (%d+) (%d+)$')
  if mode and #term < 16 and #period < 16 and #periodEpoch < 17
    and string.find(' direct to_redis redis to_direct sealed void ', ' ' .. mode .. ' ', 1, true) then
    return mode, term, period, periodEpoch
  end
end

-- The period, with a space before it, if the mode is redis; of the same form. For save: copying the other parts would
-- cost it more than the rest of the fence.
local function openPeriod(text)
  local termEnds, period, epochAt = string.match(text, '^redis %d+()( %d+) ()%d+$')
  return termEnds and termEnds < 23 and #period < 17 and #text - epochAt < 16 and period
end
