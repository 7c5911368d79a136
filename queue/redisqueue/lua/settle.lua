-- settle: how leases end.

-- settle ends leases, given by their timers, and loads their lanes. It returns those that were current, with the ticket
-- and the lane of each, and the indexes of the others, counted from 0.
local function settle(timers)
  local scores = call('ZMSCORE', due, unpack(timers))
  local live, tickets, names, lost, n, seen = {}, {}, {}, {}, 0, {}
  for i, timer in ipairs(timers) do
    local score, kind = scores[i], byte(timer)
    if score and tonumber(score) > now and (kind == 76 or kind == 80) and not seen[timer] then
      seen[timer] = true
      n = n + 1
      live[n] = timer
      tickets[n], names[n] = split(timer, 34)
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
  return live, tickets, names, lost
end
