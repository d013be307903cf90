-- '' for what is no id of an event: commands of streams fail on it, and the script with them.
local function eventOf(text)
  local ms, seq = string.match(text or '', '^(%d+)%-(%d+)$')
  return ms and #ms < 20 and #seq < 20 and text or ''
end
