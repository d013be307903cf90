-- The header of a session: everything but its state, one text in the field `m` (docs/protocol.md).
-- Returns version, dirty, tombstone, event, savedIn, confirmedIn, expiresAtMs, and where the operations begin. Returns
-- nothing if the text is not a header.
local function readHeader(text)
  return string.match(text, '^([1-9]%d*) ([01])([01]) (%S*) (%S*) (%S*) (%S*)()')
end
