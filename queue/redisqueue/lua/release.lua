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
for i = #live, 1, -1 do
  local name, ticket = names[i], tickets[i]
  local s, fresh = lanes[name], byte(ticket, 26) == 45
  call('LPUSH', base .. (fresh and 'lane:' or 'back:') .. name, ticket)
  if not fresh then s.back = s.back + 1 end
  again(live[i], s, 0)
end
call('ZREM', due, unpack(live))
for name, s in pairs(lanes) do place(name, s) end
finish()
return lost
