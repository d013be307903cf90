-- Up to which version the rows are older than a session that was saved in `savedIn`, even if their versions are higher:
-- they were there when Redis had lost everything, and the session was saved after that. '0': none; also for an epoch
-- that is not a number.
local function winsOver(savedIn, serverEpoch, seeded)
  local first, saved = string.match(serverEpoch or '0', '^%d+$'), string.match(savedIn, '^%d+$')
  if not first or (saved or 0) + 0 < first + 0 then
    return '0'
  end
  return string.match(seeded or '', '^%d+$') or '0'
end
