-- replay puts dead letters back, each as a new job at the end of its lane. IDs that are not here are skipped.
--
-- ARGV[3…] ID and new ID of each
--
-- Returns how many were here.

local n, lanes = 0, {}
for i = 3, #ARGV, 2 do
  local id, new = ARGV[i], ARGV[i + 1]
  local value = call('HGET', deadjobs, id)
  if call('ZREM', dead, id) == 1 and value then
    call('HDEL', deadmeta, id)
    call('HDEL', deadjobs, id)
    n = n + 1
    if not known({new})[1] then
      local l = lane_of(value)
      local before_lane = string.match(value, '^%d+:%d+:')
      put(new, header(stamp, l), string.sub(value, #before_lane + #l + 1))
      call('RPUSH', lane .. l, new)
      lanes[#lanes + 1] = l
    end
  end
end
enter(lanes)
return n
