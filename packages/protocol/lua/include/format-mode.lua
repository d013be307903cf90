local function formatMode(mode, term, period, periodEpoch)
  return mode .. ' ' .. term .. ' ' .. period .. ' ' .. periodEpoch
end
