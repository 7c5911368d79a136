-- ack settles delivered jobs and remembers their IDs.
--
-- ARGV[3]  how long the IDs of settled jobs are remembered  ARGV[4]  how many are remembered at most
-- ARGV[5…] the timer of each
--
-- Returns the indexes of those that are not current, counted from 0.

--@ state
--@ place
local timers, ttl, maxmarks, fence = {unpack(ARGV, 5)}, ARGV[3], ARGV[4], 'ZREM'
--@ settle
if n == 0 then return lost end
local changed = false
--@ try
--@ remove
for i = 1, n do
  local s, began = lanes[names[i]], tonumber(sub(live[i], 18, 33))
  if s.health == 1 and not s.holds then
    if began > s.acked then s.acked = began end
  else
    --@ health
    succeed(s, began)
    changed = true
  end
end
for name, s in pairs(lanes) do
  if s.ordered == 1 or s.place == 0 and s.n > s.leased + s.delayed or changed then place(name, s) end
end
finish()
call('HDEL', jobs, unpack(ids))
if large then call('HDEL', base .. 'large', unpack(large)) end
return refused or lost
