-- bury moves a leased job to the dead letters, remembers its ID, and drops the oldest dead letters
-- beyond the bounds.
--
-- ARGV[3]  how long the IDs of settled jobs are remembered  ARGV[4]  how many are remembered at most
-- ARGV[5]  timer    ARGV[6]  reason
-- ARGV[7]  dead letters at most    ARGV[8]  how long they are kept    ARGV[9]  their bytes at most
-- ARGV[10] 1: at most once, there is no lease    ARGV[11] the data then
--
-- Returns the number of dead letters and their bytes, or -1 if the lease is not current.

--@ full
--@ state
--@ place
--@ worked
--@ again
--@ letters
--@ ticket
local timer, reason, ttl, maxmarks, fence = ARGV[5], ARGV[6], ARGV[3], ARGV[4], 'ZSCORE'
local once, ticket, name = ARGV[10] == '1', split(timer, 34)
load({name})
if not once then
  local timers = {timer}
  --@ settle
  if n == 0 then return {-1, 0} end
end
local s, size, data = lanes[name], tonumber(sub(ticket, 17, 25)), ''
local attempts, first, id = tries(ticket, true, sub(timer, 18, 33))
if once and size > inline then
  call('HSET', base .. 'large', id, ARGV[11])
elseif once then
  data = ARGV[11]
elseif size <= inline then
  data = call('HGET', jobs, id) or ''
end
if size <= inline then size = #data end
if call('HEXISTS', letters, id) == 0 then
  local head = string.format('%d:%s:%d:%d:%d:%d:', attempts, first, s.ordered, #reason, #name, size)
  call('ZADD', dead, now, id)
  call('ZADD', base .. 'dead:' .. name, now, id)
  call('HSET', letters, id, head .. reason .. name .. data)
  weigh(name, #reason + size + overhead)
end
local tickets, names, ids = {ticket}, {name}, {id}
if not once then
  --@ remove
end
again(timer, s, 0)
place(name, s)
finish()
if not once then
  call('ZREM', due, timer)
  call('HDEL', jobs, id)
end
trim(tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]))
return refused or {call('ZCARD', dead), tonumber(call('HGET', counts, 'bytes') or 0)}
