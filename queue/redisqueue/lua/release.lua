-- release gives leased jobs back unused, at the head of their lanes.
--
-- ARGV[3…] the timer of each
--
-- Returns the indexes of those that are not current, counted from 0.

--@ full
--@ state
--@ place
--@ again
local timers, fence = {unpack(ARGV, 3)}, 'ZSCORE'
--@ settle
if n == 0 then return lost end
for i = 1, n do
  local s = lanes[names[i]]
  if byte(tickets[i], 26) ~= 45 then s.back = s.back + 1 end
  again(live[i], s, 0)
end
for name, s in pairs(lanes) do place(name, s) end
finish()
for i = n, 1, -1 do
  call('LPUSH', base .. (byte(tickets[i], 26) == 45 and 'lane:' or 'back:') .. names[i], tickets[i])
end
call('ZREM', due, unpack(live))
return lost
