-- expire ends the leases, delays and holds that are due, a hundred at most. It sets soonest to how
-- long until the next one is; -1: there is none.
local head, soonest = call('ZRANGE', due, '0', '0', 'WITHSCORES'), -1
if head[2] then soonest = head[2] - now end
if head[2] and soonest <= 0 then
  --@ full
  --@ lane
  --@ ticket
  --@ worked
  local timers, touched, pushes = call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, 100), {}, {}
  for _, timer in ipairs(timers) do
    local kind, name, ticket = byte(timer), nil, nil
    if kind == 88 then -- X
      name = sub(timer, 2)
      lane(name)
    else
      local what = 'delayed'
      if kind == 68 then -- D
        ticket, name = split(timer, 2)
      else
        what = 'leased'
        ticket, name = split(timer, 34)
        ticket = worked(ticket, true, sub(timer, 18, 33))
      end
      pushes[#pushes + 1], pushes[#pushes + 2] = base .. 'back:' .. name, ticket
      local s = lane(name)
      s[what], s.back, totals[what] = s[what] - 1, s.back + 1, totals[what] - 1
    end
    touched[name] = true
  end
  for name in pairs(touched) do place(name, lanes[name]) end
  finish()
  for i = 1, #pushes, 2 do call('RPUSH', pushes[i], pushes[i + 1]) end
  for _, timer in ipairs(timers) do
    if byte(timer) ~= 88 or lanes[sub(timer, 2)].place ~= 4 then call('ZREM', due, timer) end
  end
  head = call('ZRANGE', due, '0', '0', 'WITHSCORES')
  soonest = head[2] and math.max(0, head[2] - now) or -1
end
