-- place: which ring or timer a lane is in.
local leaves, enters, moved, entered = {}, {}, {}, false

-- place moves a lane to where its state says, at the next flush: 0 nowhere, 1 to 3 the ring of its
-- health, or 4 the timers, if it is held. A held lane whose time has passed is in the ring of
-- failing lanes, for its probe. With turn, a lane that stays in its ring goes to the end. No lane is
-- moved twice before a flush.
local function place(name, s, turn)
  local out, from, to = s.leased + s.delayed, s.place, s.health + 1
  if s.n == out or out > 0 and s.ordered == 1 then
    to = 0
  elseif s.held > 0 then
    to = s.ends > now and 4 or 3
  end
  if from == to and to ~= 4 and not turn then return end
  if from ~= to then
    local k = #moved
    moved[k + 1], moved[k + 2], moved[k + 3] = name, from, to
  end
  if from > 0 and from ~= to then
    local list, entry = leaves[from], from == 4 and 'X' .. name or name
    if list then
      list[#list + 1] = entry
    else
      leaves[from] = {entry}
    end
  end
  if to > 0 then
    local list, score, entry = enters[to], s.ends, name
    if to == 4 then
      entry = 'X' .. name
    else
      score = totals.turn + 1
      totals.turn = score
    end
    score = string.format('%d', score)
    if list then
      local k = #list
      list[k + 1], list[k + 2] = score, entry
    else
      enters[to] = {score, entry}
    end
  end
  s.place = to
end

-- flush moves the lanes. They enter before they leave, so that a script which is refused that loses
-- none.
local function flush()
  for ring, list in pairs(enters) do
    local n = call('ZADD', ring == 4 and due or base .. 'ring' .. ring, unpack(list))
    if ring < 4 then totals[ring], entered = totals[ring] + n, entered or n > 0 end
  end
  for ring, list in pairs(leaves) do
    local n = call('ZREM', ring == 4 and due or base .. 'ring' .. ring, unpack(list))
    if ring < 4 then totals[ring] = totals[ring] - n end
  end
  leaves, enters = {}, {}
end

-- unplace moves the lanes back to where they were before the script.
local function unplace()
  for i = 1, #moved, 3 do
    local name, from, to = moved[i], moved[i + 1], moved[i + 2]
    if from > 0 then call('ZADD', from == 4 and due or base .. 'ring' .. from, now, from == 4 and 'X' .. name or name) end
    if to > 0 then call('ZREM', to == 4 and due or base .. 'ring' .. to, to == 4 and 'X' .. name or name) end
  end
end

-- finish moves the lanes and writes the totals and the states that were read, or neither. It wakes all
-- receivers if a lane has entered a ring and one of them waits. That comes last: where it is not
-- permitted, receivers find the lane by themselves.
local function finish()
  flush()
  local t = totals
  local woken = entered and t.waiting > now
  if woken then t.waiting = 0 end
  local out, k, pack = {
    '', struct.pack('<ddddddddddddd', t.n, t.bytes, t.failing, t.failingbytes, t.leased, t.delayed, t.turn,
      t.waiting, t.marks, t.rotated, t[1], t[2], t[3]),
  }, 2, struct.pack
  for name, s in pairs(lanes) do
    if s.n == 0 and not s.idle then s.touched = now end -- its last job has left
    local v = pack('<ddddddddddd', s.n, s.back, s.leased, s.delayed, s.bytes, s.health, s.ordered, s.place,
      s.touched, s.since, s.acked)
    if s.holds then v = v .. pack('<dddc16', s.held, s.ends, s.holds, s.probe) .. s.reason end
    out[k + 1], out[k + 2] = name, v
    k = k + 2
    if s.new then call('ZADD', base .. 'names', 0, name) end
  end
  local written = redis.pcall('HSET', states, unpack(out))
  if type(written) == 'table' then -- refused
    unplace()
    error(written.err)
  end
  if woken then redis.pcall('PUBLISH', ARGV[1], ARGV[2]) end
end
