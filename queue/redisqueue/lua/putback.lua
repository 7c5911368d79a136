-- putback gives back a job that an at-most-once Receive has removed, at the head of its lane or after a delay.
-- That its ID is remembered is the proof that it was not given back already.
--
-- ARGV[3] ID  ARGV[4] receipt  ARGV[5] lane  ARGV[6] data  ARGV[7] delay
-- ARGV[8] attempts  ARGV[9] first, or 0
--
-- Returns 1, or 0 if it is not out.

local id, l, delay = ARGV[3], ARGV[5], tonumber(ARGV[7])
if call('SREM', done, id) + call('SREM', before, id) == 0 then return 0 end

local first = ARGV[9]
if first == '0' and delay > 0 then first = string.match(ARGV[4], '^[^:]*:(%d+)') end
put(id, header(stamp, l), ARGV[6])
if first ~= '0' then call('HSET', tries, id, ARGV[8] .. ':' .. first) end
if delay > 0 then
  call('ZADD', delayed, whole(now + delay), id)
else
  call('LPUSH', again .. l, id)
  enter({l})
end
return 1
