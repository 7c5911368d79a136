-- settle ends the leases that timers lists and loads their lanes. It sets live to those that were current, tickets, names
-- and ids to the ticket, lane and job ID of each, and lost to the indexes of the others, counted from 0. A removal comes
-- first: when its memory is full, Redis refuses the writes of a script that has not written yet, and ZREM is none of those.
local find, live, tickets, names, ids, lost, n, seen = string.find, {}, {}, {}, {}, {}, 0, {}
local scores = call('ZMSCORE', due, unpack(timers))
for i = 1, #timers do
  local timer, score = timers[i], scores[i]
  local kind = byte(timer)
  if score and tonumber(score) > now and (kind == 76 or kind == 80) and not seen[timer] then
    seen[timer] = true
    n = n + 1
    local space = find(timer, ' ', 34, true)
    live[n], tickets[n], names[n] = timer, sub(timer, 34, space - 1), sub(timer, space + 1)
    ids[n] = sub(timer, byte(timer, 59) == 45 and 60 or 81, space - 1)
  else
    lost[#lost + 1] = i - 1
  end
end
if n > 0 then
  call('ZREM', due, unpack(live))
  load(names)
  totals.leased = totals.leased - n
  for i = 1, n do
    local s = lanes[names[i]]
    s.leased = s.leased - 1
  end
end
