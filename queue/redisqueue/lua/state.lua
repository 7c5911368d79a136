-- state: the totals of the partition and the states of its lanes, packed in one hash.

local states, totals, lanes = base .. 'lanes', nil, {}

local function readtotals(v)
  if not v then
    v = string.rep('\0', 104)
  end
  local n, bytes, failing, failingbytes, leased, delayed, turn, waiting, marks, rotated, r1, r2, r3 =
    struct.unpack('<ddddddddddddd', v)
  totals = {
    r1, r2, r3, n = n, bytes = bytes, failing = failing, failingbytes = failingbytes, leased = leased,
    delayed = delayed, turn = turn, waiting = waiting, marks = marks, rotated = rotated,
  }
end

local function readlane(name, v)
  local s
  if v then
    local n, back, leased, delayed, bytes, health, ordered, place, touched, since, acked = struct.unpack('<ddddddddddd', v)
    s = {
      n = n, back = back, leased = leased, delayed = delayed, bytes = bytes, health = health,
      ordered = ordered, place = place, touched = touched, since = since, acked = acked, held = 0,
    }
    if #v > 88 then
      s.held, s.ends, s.holds, s.probe = struct.unpack('<dddc16', v, 89)
      s.reason = sub(v, 129)
    end
  else
    s = {
      n = 0, back = 0, leased = 0, delayed = 0, bytes = 0, health = 0,
      ordered = 0, place = 0, touched = now, since = 0, acked = 0, held = 0, new = true,
    }
  end
  lanes[name] = s
  return s
end

-- load reads the totals and these lanes.
local function load(names)
  local values = call('HMGET', states, '', unpack(names))
  if not totals then readtotals(values[1]) end
  for i, name in ipairs(names) do
    if not lanes[name] then readlane(name, values[i + 1]) end
  end
end

local function lane(name) return lanes[name] or readlane(name, call('HGET', states, name)) end

-- save writes the totals and the lanes that were read.
local function save()
  local t = totals
  local out, k = {
    '', struct.pack('<ddddddddddddd', t.n, t.bytes, t.failing, t.failingbytes, t.leased, t.delayed, t.turn,
      t.waiting, t.marks, t.rotated, t[1], t[2], t[3]),
  }, 2
  for name, s in pairs(lanes) do
    if s.n == 0 then s.touched = now end
    local v = struct.pack('<ddddddddddd', s.n, s.back, s.leased, s.delayed, s.bytes, s.health, s.ordered, s.place,
      s.touched, s.since, s.acked)
    if s.holds then v = v .. struct.pack('<dddc16', s.held, s.ends, s.holds, s.probe) .. s.reason end
    out[k + 1], out[k + 2] = name, v
    k = k + 2
    if s.new then call('ZADD', base .. 'names', 0, name) end
  end
  call('HSET', states, unpack(out))
end
