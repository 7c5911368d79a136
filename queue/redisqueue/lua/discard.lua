-- discard forgets dead letters.
--
-- ARGV[3…] their IDs
--
-- Returns how many were here.

--@ letters
local n = forget({unpack(ARGV, 3)})
return refused or n
