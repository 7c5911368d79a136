-- base: what every script begins with.
--
-- KEYS[1]  how the names of the partition's keys begin, with the hash tag in it
-- KEYS[2]  the same and "-". No key has the name of either. While a slot is moved to another master,
--          a command whose keys are not all there is refused, so no script sees half a partition.
-- ARGV[1]  the wake channel
-- ARGV[2]  the partition's number, which is the wake message
local base, call, sub, byte = KEYS[1], redis.call, string.sub, string.byte
local due, jobs = base .. 'due', base .. 'jobs'
local inline = 1024 -- what is longer is in the hash large, and passes no script: Lua is slow with long strings
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]
