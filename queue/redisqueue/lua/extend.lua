-- extend renews leases, and the holds that wait for a probe's.
--
-- ARGV[3]  how long they last    ARGV[4…]  the timer of each
--
-- Returns the indexes of those that are not current, counted from 0.

--@ full
--@ state
--@ place
--@ lane
--@ ticket
local timers = {unpack(ARGV, 4)}
local scores, live, args, lost = call('ZMSCORE', due, unpack(timers)), {}, {}, {}
local ends, probes = now + ARGV[3], {}
for i, timer in ipairs(timers) do
  local kind = byte(timer)
  if scores[i] and tonumber(scores[i]) > now and (kind == 76 or kind == 80) then
    live[#live + 1] = timer
    args[#args + 1], args[#args + 2] = ends, timer
    if kind == 80 then probes[#probes + 1] = timer end
  else
    lost[#lost + 1] = i - 1
  end
end
if #live > 0 then call('ZADD', due, unpack(args)) end
if #probes > 0 then
  load({})
  for _, timer in ipairs(probes) do
    local _, name = split(timer, 34)
    local s = lane(name)
    if s.held > 0 and s.probe == sub(timer, 2, 17) then
      s.ends = ends
      place(name, s)
    end
  end
  finish()
end
return lost
