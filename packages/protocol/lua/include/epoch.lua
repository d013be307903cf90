-- The epoch, which is a whole number; '' for a text that is none. Such a text would spoil a header, and nothing is trusted
-- in it.
local function epochOf(text)
  return string.match(text or '', '^%d+$') or ''
end
