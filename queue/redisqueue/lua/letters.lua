-- letters: the dead letters. dead is a zset of job IDs by when they were given up, and dead:L one of
-- those of lane L. heavy is a zset of lanes by the bytes of their dead letters. letters is a hash
-- from job ID to attempts ":" first ":" ordered ":" length of reason ":" length of lane ":" length
-- of data ":" reason lane data; the data of a large job stays in the hash large. counts is a hash
-- with the bytes of all and how many were dropped.

--@ try
local dead, heavy, letters, counts = base .. 'dead', base .. 'heavy', base .. 'letters', base .. 'counts'

-- weigh adds to the bytes of a lane's dead letters, and of all.
local function weigh(name, bytes)
  try('HINCRBY', counts, 'bytes', bytes)
  if try('ZINCRBY', heavy, bytes, name) <= 0 or call('EXISTS', base .. 'dead:' .. name) == 0 then
    call('ZREM', heavy, name)
  end
end

-- overhead is what a dead letter is counted with besides its reason and its data.
local overhead = 64

-- letter returns the lane of a dead letter, its bytes, and the size of its data; nil if it is not here.
local function letter(id)
  local value = call('HGET', letters, id)
  if not value then return end
  local reason, lane, size, from = string.match(value, '^%d+:%d+:%d:(%d+):(%d+):(%d+):()')
  return sub(value, from + reason, from + reason + lane - 1), reason + size + overhead, tonumber(size)
end

-- forget removes dead letters, and returns how many were here and their bytes.
local function forget(ids)
  local n, freed = 0, 0
  for _, id in ipairs(ids) do
    local name, bytes, size = letter(id)
    n = n + call('ZREM', dead, id)
    if name then
      call('ZREM', base .. 'dead:' .. name, id)
      weigh(name, -bytes)
      if size > inline then try('HDEL', base .. 'large', id) end
      try('HDEL', letters, id)
      freed = freed + bytes
    end
  end
  return n, freed
end

-- heaviest returns the oldest dead letter of the lane that has the most bytes of them, or nil; the
-- oldest of all where its lane has as many.
local function heaviest()
  local top, oldest = call('ZREVRANGE', heavy, 0, 0, 'WITHSCORES'), call('ZRANGE', dead, 0, 0)[1]
  local name = oldest and letter(oldest)
  if not top[1] or name and call('ZSCORE', heavy, name) == top[2] then return oldest end
  return call('ZRANGE', base .. 'dead:' .. top[1], 0, 0)[1]
end

-- trim drops dead letters, a hundred at most: the oldest while they are too many or too old, and those
-- of the lane with the most bytes while they are too large together. It reports whether there may be
-- more to drop.
local function trim(max, age, maxbytes)
  local n, bytes, drop = call('ZCARD', dead), tonumber(call('HGET', counts, 'bytes') or 0), 0
  while drop < 100 do
    local oldest = call('ZRANGE', dead, 0, 0, 'WITHSCORES')
    local id, at = oldest[1], tonumber(oldest[2])
    if not id or n <= max and bytes <= maxbytes and at > now - age then break end
    if n <= max and at > now - age then id = heaviest() or id end
    local _, freed = forget({id})
    n, bytes, drop = n - 1, bytes - freed, drop + 1
  end
  if drop > 0 then try('HINCRBY', counts, 'dropped', drop) end
  return drop == 100
end

-- burden returns the number and the bytes of the dead letters, when the oldest was given up, and the
-- bytes of the lane that has the most.
local function burden()
  local oldest, lane = call('ZRANGE', dead, 0, 0, 'WITHSCORES'), call('ZREVRANGE', heavy, 0, 0, 'WITHSCORES')
  return call('ZCARD', dead), tonumber(call('HGET', counts, 'bytes') or 0), tonumber(oldest[2] or 0), tonumber(lane[2] or 0)
end
