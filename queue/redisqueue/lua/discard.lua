-- discard forgets dead letters.
--
-- ARGV[3]  1: count them as dropped    ARGV[4…] their IDs
--
-- Returns how many were here.

--@ letters
local n = forget({unpack(ARGV, 4)})
if ARGV[3] == '1' and n > 0 then call('HINCRBY', counts, 'dropped', n) end
return n
