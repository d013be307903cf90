-- '' for a text that is not the id of an event: a stream command would fail on it, and so would the script.
local function eventOf(text)
  local ms, seq = string.match(text or '', '^(%d+)%-(%d+)$')
  return ms and #ms < 20 and #seq < 20 and text or ''
end
