-- The last operations of a session as its row has them, with a space before each as in a header; '' for a text of another
-- form, which would spoil the header. At most four of 64 + 1 + 16 bytes.
local function operationsOf(text)
  local rest, count = string.gsub(' ' .. text, ' [!-<>-~]+=[1-9]%d*', '')
  return rest == '' and count <= 4 and #text <= 327 and ' ' .. text or ''
end
