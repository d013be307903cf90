-- The parts of the header of a session, as readHeader; 'gone' if there is no key; 'unreadable' if the value is not
-- a session. Only reads. A state without a header is not a session.
local function readSession(session)
  local header = redis.pcall('HGET', session, 'm')
  if type(header) == 'string' then
    local version, dirty, tombstone, event, savedIn, confirmedIn, expiresAtMs, at = readHeader(header)
    if version then
      return version, dirty, tombstone, event, savedIn, confirmedIn, expiresAtMs, string.sub(header, at)
    end
    return 'unreadable'
  end
  -- A lease is no session either, and there is none then.
  if not header and redis.call('HEXISTS', session, 's') == 0 then
    return 'gone'
  end
  if header and not string.find(header.err, 'WRONGTYPE', 1, true) then
    -- Fails again, and the script with it.
    redis.call('HGET', session, 'm')
  end
  return 'unreadable'
end
