-- letters: the dead letters. dead is a zset of job IDs by when they were given up, letters a hash
-- from job ID to attempts ":" first ":" ordered ":" length of reason ":" length of lane ":" reason
-- lane data, and counts a hash with their bytes and how many were dropped.

local dead, letters, counts = base .. 'dead', base .. 'letters', base .. 'counts'

-- forget removes dead letters, and returns how many were here.
local function forget(ids)
  local n = 0
  for _, id in ipairs(ids) do
    if call('ZREM', dead, id) == 1 then
      n = n + 1
      call('HINCRBY', counts, 'bytes', 0 - call('HSTRLEN', letters, id))
      call('HDEL', letters, id)
    end
  end
  return n
end

-- trim drops the oldest dead letters while they are too many, too old, or too large together; some
-- at a time.
local function trim(max, age, maxbytes)
  local n, bytes = call('ZCARD', dead), tonumber(call('HGET', counts, 'bytes') or 0)
  local oldest = call('ZRANGE', dead, 0, 0, 'WITHSCORES')
  if not oldest[2] or n <= max and bytes <= maxbytes and tonumber(oldest[2]) > now - age then return end
  local page, drop = call('ZRANGE', dead, 0, 499, 'WITHSCORES'), {}
  for i = 1, #page, 2 do
    if n <= max and bytes <= maxbytes and tonumber(page[i + 1]) > now - age then break end
    drop[#drop + 1] = page[i]
    n, bytes = n - 1, bytes - call('HSTRLEN', letters, page[i])
  end
  call('HINCRBY', counts, 'dropped', forget(drop))
end
