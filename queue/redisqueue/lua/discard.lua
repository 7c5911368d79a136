-- discard forgets dead letters.
--
-- ARGV[3]  1: count them as dropped
-- ARGV[4…] their IDs
--
-- Returns how many were here.

local n = 0
for i = 4, #ARGV do
  n = n + call('ZREM', dead, ARGV[i])
  call('HDEL', deadmeta, ARGV[i])
  call('HDEL', deadjobs, ARGV[i])
end
if ARGV[3] == '1' and n > 0 then call('HINCRBY', state, 'dropped', n) end
return n
