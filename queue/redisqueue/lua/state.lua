-- state: the totals of the partition and the states of its lanes, packed in one hash.
local states, totals, lanes = base .. 'lanes', nil, {}

-- readlane makes a lane's state of what the hash has; v is false if it has none.
local function readlane(name, v)
  local s
  if v then
    local n, back, leased, delayed, bytes, health, ordered, place, touched, since, acked = struct.unpack('<ddddddddddd', v)
    s = {
      n = n, back = back, leased = leased, delayed = delayed, bytes = bytes, health = health, ordered = ordered,
      place = place, touched = touched, since = since, acked = acked, held = 0, new = false, idle = n == 0,
    }
    if #v > 88 then
      s.held, s.ends, s.holds, s.probe = struct.unpack('<dddc16', v, 89)
      s.reason = sub(v, 129)
    end
  else
    s = {
      n = 0, back = 0, leased = 0, delayed = 0, bytes = 0, health = 0, ordered = 0,
      place = 0, touched = now, since = 0, acked = 0, held = 0, new = true,
    }
  end
  lanes[name] = s
  return s
end

-- load reads the totals and the states of these lanes.
local function load(names)
  local values = call('HMGET', states, '', unpack(names))
  if not totals then
    local n, bytes, failing, failingbytes, leased, delayed, turn, waiting, marks, rotated, r1, r2, r3 =
      struct.unpack('<ddddddddddddd', values[1] or string.rep('\0', 104))
    totals = {
      r1, r2, r3, n = n, bytes = bytes, failing = failing, failingbytes = failingbytes, leased = leased,
      delayed = delayed, turn = turn, waiting = waiting, marks = marks, rotated = rotated,
    }
  end
  for i = 1, #names do
    local name = names[i]
    if not lanes[name] then readlane(name, values[i + 1]) end
  end
end
