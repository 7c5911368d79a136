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
local timer, reason, ttl, maxmarks = ARGV[5], ARGV[6], ARGV[3], ARGV[4]
local ticket, name, data
if ARGV[10] == '1' then
  --@ ticket
  ticket, name = split(timer, 34)
  data = ARGV[11]
  load({name})
else
  local timers = {timer}
  --@ settle
  if n == 0 then return {-1, 0} end
  ticket, name = tickets[1], names[1]
  data = call('HGET', tonumber(sub(ticket, 17, 25)) > inline and base .. 'large' or jobs, ids[1]) or ''
  --@ remove
end
local s = lanes[name]
local attempts, first, id = tries(ticket, true, sub(timer, 18, 33))
local value = string.format('%d:%s:%d:%d:%d:', attempts, first, s.ordered, #reason, #name) .. reason .. name .. data
call('ZADD', dead, now, id)
call('HSET', letters, id, value)
call('HINCRBY', counts, 'bytes', #value)
again(timer, s, 0)
place(name, s)
trim(tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]))
finish()
return {call('ZCARD', dead), tonumber(call('HGET', counts, 'bytes') or 0)}
