-- layout stores the layout and the number of partitions unless something is stored. It stands
-- alone.
--
-- KEYS[1] the key  ARGV[1] what to store
--
-- Returns what is stored.

local stored = redis.call('GET', KEYS[1])
if not stored then
  redis.call('SET', KEYS[1], ARGV[1])
  stored = ARGV[1]
end
return stored
