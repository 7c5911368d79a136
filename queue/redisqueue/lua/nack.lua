-- nack gives leased jobs back that were worked on: after a delay, or at once, behind those that
-- came back before.
--
-- ARGV[3…] timer, delay and counted (0 or 1) of each
--
-- Returns the indexes of those that are not current, counted from 0.

--@ full
--@ state
--@ place
--@ worked
--@ again
local timers, args, fence = {}, {}, 'ZSCORE'
for i = 3, #ARGV, 3 do
  timers[#timers + 1] = ARGV[i]
  args[ARGV[i]] = i
end
--@ settle
if n == 0 then return lost end
local moves = {}
for i, timer in ipairs(live) do
  local name, at = names[i], args[timer]
  local s, delay, counted = lanes[name], tonumber(ARGV[at + 1]), ARGV[at + 2] == '1'
  local ticket = worked(tickets[i], counted, sub(timer, 18, 33))
  if delay > 0 then
    moves[i] = {'ZADD', due, now + delay, 'D' .. ticket .. ' ' .. name}
    s.delayed, totals.delayed = s.delayed + 1, totals.delayed + 1
  else
    moves[i] = {'RPUSH', base .. 'back:' .. name, ticket}
    s.back = s.back + 1
  end
  if not counted then again(timer, s, delay) end
end
for name, s in pairs(lanes) do place(name, s) end
finish()
for _, move in ipairs(moves) do call(unpack(move)) end
call('ZREM', due, unpack(live))
return lost
