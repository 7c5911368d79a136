-- putback gives back a job that an at-most-once Receive has removed, at the head of its lane or after a delay.
-- The marker that Receive has set is the proof that it was not given back already.
--
-- ARGV[3] ID  ARGV[4] lane  ARGV[5] data  ARGV[6] attempts  ARGV[7] first, or 0
-- ARGV[8] the time when it was enqueued  ARGV[9] delay
--
-- Returns 1, or 0 if it is not out.

local id, l, delay = ARGV[3], ARGV[4], tonumber(ARGV[9])
if call('SREM', done, id) + call('SREM', before, id) == 0 then return 0 end

local first = ARGV[7]
if first == '0' and delay > 0 then first = whole(now) end
call('HSET', data, id, ARGV[5])
call('HSET', meta, id, pack(tonumber(ARGV[6]), first, ARGV[8], l))
call('HINCRBY', state, 'bytes', #ARGV[5])
if delay > 0 then
  call('ZADD', delayed, now + delay, id)
else
  call('LPUSH', lane .. l, id)
  enter({l})
end
return 1
