-- ackonce notes that jobs were delivered that at-most-once Receives have removed.
--
-- ARGV[3…] the lane of each and when its lease began

--@ full
--@ state
--@ place
--@ lane
--@ health
load({})
for i = 3, #ARGV, 2 do succeed(lane(ARGV[i]), tonumber(ARGV[i + 1])) end
for name, s in pairs(lanes) do place(name, s) end
finish()
return 0
