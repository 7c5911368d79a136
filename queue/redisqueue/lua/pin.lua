-- pin stores the number of partitions unless there is one. It stands alone, without the prelude.
--
-- KEYS[1] the key of the number  ARGV[1] the number
--
-- Returns the number that is stored.

local stored = redis.call('GET', KEYS[1])
if not stored then
  redis.call('SET', KEYS[1], ARGV[1])
  stored = ARGV[1]
end
return stored
