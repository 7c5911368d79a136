-- putback gives back a job that an at-most-once Receive has removed: at the head of its lane, or
-- after a delay. That its ID is remembered is the proof that it is out. What the Receive had is
-- remembered beside the IDs when it is given back: a call whose answer was lost is repeated, and by
-- then somebody else may have received the job.
--
-- ARGV[3] timer  ARGV[4] data  ARGV[5] delay
--
-- Returns 1, or 0 if it is not out.

--@ full
--@ state
--@ place
--@ ticket
--@ worked
--@ again
local timer, delay = ARGV[3], tonumber(ARGV[5])
local ticket, name = split(timer, 34)
local id, s = sub(ticket, byte(ticket, 26) == 45 and 27 or 48), nil
local data, large = ARGV[4], #ARGV[4] > inline
local back = sub(timer, 2, 17) .. ' ' .. id -- an ID has no space
if call('SISMEMBER', base .. 'done', back) + call('SISMEMBER', base .. 'done-', back) > 0 then return 1 end
local here = call('SISMEMBER', base .. 'done', id)
if here + call('SISMEMBER', base .. 'done-', id) == 0 then return 0 end
if large then call('HSET', base .. 'large', id, data) end
call('HSET', jobs, id, large and '' or data)
load({name})
s = lanes[name]
totals.marks = totals.marks - here + 1
totals.n, totals.bytes, s.n, s.bytes = totals.n + 1, totals.bytes + #data, s.n + 1, s.bytes + #data
if s.health == 2 then totals.failing, totals.failingbytes = totals.failing + 1, totals.failingbytes + #data end
local move
if delay > 0 then
  move = {'ZADD', due, now + delay, 'D' .. worked(ticket, false) .. ' ' .. name}
  s.delayed, totals.delayed = s.delayed + 1, totals.delayed + 1
else
  local fresh = byte(ticket, 26) == 45
  move = {'LPUSH', base .. (fresh and 'lane:' or 'back:') .. name, ticket}
  if not fresh then s.back = s.back + 1 end
end
again(timer, s, delay)
place(name, s)
finish()
call(unpack(move))
call('SADD', base .. 'done', back)
call('SREM', base .. 'done', id)
call('SREM', base .. 'done-', id)
return 1
