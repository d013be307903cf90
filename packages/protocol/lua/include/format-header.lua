-- `operations` with a space before each.
local function formatHeader(version, dirty, tombstone, event, savedIn, confirmedIn, expiresAtMs, operations)
  return version .. ' ' .. dirty .. tombstone .. ' ' .. event .. ' ' .. savedIn .. ' ' .. confirmedIn .. ' '
    .. expiresAtMs .. operations
end
