-- place: which ring or timer a lane is in.

local woken = false

-- place moves a lane to where its state says: 0 nowhere, 1 to 3 the ring of its health, or 4 the timers,
-- if it is held. A held lane whose time has passed is in the ring of failing lanes, for its probe.
local function place(name, s)
  local out, to = s.leased + s.delayed, s.health + 1
  if s.n == out or out > 0 and s.ordered == 1 then
    to = 0
  elseif s.held > 0 then
    to = s.ends > now and 4 or 3
  end
  local from = s.place
  if from == to and to ~= 4 then return end
  if from == 4 then
    if to ~= 4 then call('ZREM', due, 'X' .. name) end
  elseif from > 0 then
    totals[from] = totals[from] - call('ZREM', base .. 'ring' .. from, name)
  end
  if to == 4 then
    call('ZADD', due, s.ends, 'X' .. name)
  elseif to > 0 then
    totals.turn = totals.turn + 1
    totals[to] = totals[to] + call('ZADD', base .. 'ring' .. to, totals.turn, name)
    woken = true
  end
  s.place = to
end

-- finish writes what has changed. It wakes all receivers if a lane has entered a ring and one of them
-- waits. That comes last: where it is not permitted, receivers find the lane by themselves.
local function finish()
  woken = woken and totals.waiting > now
  if woken then totals.waiting = 0 end
  save()
  if woken then redis.pcall('PUBLISH', ARGV[1], ARGV[2]) end
end
