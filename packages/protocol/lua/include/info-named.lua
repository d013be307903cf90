-- The fields of one consumer group, or of one consumer, out of what XINFO answers; nothing if it is not there.
local function infoNamed(infos, name)
  for _, info in ipairs(infos) do
    local fields = {}
    for i = 1, #info, 2 do
      fields[info[i]] = info[i + 1]
    end
    if fields['name'] == name then
      return fields
    end
  end
end
