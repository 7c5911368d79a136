-- replay puts dead letters back, each as a new job at the end of its lane. IDs that are not here are skipped.
--
-- ARGV[3…] ID and new ID of each
--
-- Returns how many were here.

local n, lanes = 0, {}
for i = 3, #ARGV, 2 do
  local id, new = ARGV[i], ARGV[i + 1]
  local m, d = call('HGET', deadmeta, id), call('HGET', deaddata, id)
  if call('ZREM', dead, id) == 1 and m and d then
    call('HDEL', deadmeta, id)
    call('HDEL', deaddata, id)
    n = n + 1
    if not known({new})[1] then
      local length, rest = string.match(m, '^%d+:%d+:(%d+):(.*)$')
      local l = string.sub(rest, length + 1)
      call('HSET', data, new, d)
      call('HSET', meta, new, pack(0, '0', whole(now), l))
      call('HINCRBY', state, 'bytes', #d)
      call('RPUSH', lane .. l, new)
      lanes[#lanes + 1] = l
    end
  end
end
enter(lanes)
return n
