-- settle looks up the leases that timers lists and loads their lanes. It sets live to those that are
-- current, tickets, names and ids to the ticket, lane and job ID of each, n to how many they are,
-- and lost to the indexes of the others, counted from 0, or to 0 if there are none, since a table
-- costs time in an answer. A lease is current until somebody has ended it. With fence 'ZREM' it ends
-- the leases; with 'ZSCORE' the script does when the jobs have their new places.
local live, lost, n = timers, {}, #timers
if n == 1 then
  local kind = byte(timers[1])
  lost = 0
  local found = (kind == 76 or kind == 80) and call(fence, due, timers[1])
  if not found or found == 0 then n, lost = 0, {0} end
else
  local scores, seen = call('ZMSCORE', due, unpack(timers)), {}
  live, n = {}, 0
  for i = 1, #timers do
    local timer = timers[i]
    local kind = byte(timer)
    if scores[i] and (kind == 76 or kind == 80) and not seen[timer] then
      n = n + 1
      live[n], seen[timer] = timer, true
    else
      lost[#lost + 1] = i - 1
    end
  end
  if n > 0 and fence == 'ZREM' then call('ZREM', due, unpack(live)) end
  if #lost == 0 then lost = 0 end
end
local find, tickets, names, ids = string.find, {nil}, {nil}, {nil}
if n > 0 then
  for i = 1, n do
    local timer = live[i]
    local space = find(timer, ' ', 34, true)
    tickets[i], names[i] = sub(timer, 34, space - 1), sub(timer, space + 1)
    ids[i] = sub(timer, byte(timer, 59) == 45 and 60 or 81, space - 1)
  end
  load(names)
  totals.leased = totals.leased - n
  for i = 1, n do
    local s = lanes[names[i]]
    s.leased = s.leased - 1
  end
end
