-- ack settles delivered jobs and remembers their IDs.
--
-- ARGV[3]  how long the IDs of settled jobs are remembered  ARGV[4]  how many are remembered at most
-- ARGV[5…] the timer of each
--
-- Returns the indexes of those that are not current, counted from 0.

local live, tickets, names, lost = settle({unpack(ARGV, 5)})
if #live == 0 then return lost end
remove(tickets, names, ARGV[3], tonumber(ARGV[4]))
for i, timer in ipairs(live) do
  local s = lanes[names[i]]
  succeed(s, tonumber(sub(timer, 18, 33)))
end
for name, s in pairs(lanes) do place(name, s) end
finish()
return lost
