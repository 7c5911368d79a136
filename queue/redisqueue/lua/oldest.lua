-- oldest returns the age of the oldest job at the head of some lanes of the ring.
--
-- ARGV[3] how many lanes to pass over  ARGV[4] how many to look at
--
-- Returns the age, and the number of lanes looked at.

local oldest, from = now, tonumber(ARGV[3])
local page = call('ZRANGE', ring, from, from + ARGV[4] - 1)
for _, l in ipairs(page) do
  for _, key in ipairs({again .. l, lane .. l}) do
    local id = call('LINDEX', key, 0)
    local value = id and call('HGET', jobs, id)
    if value then
      local _, enqueued = lane_of(value)
      oldest = math.min(oldest, tonumber(enqueued))
    end
  end
end
return {whole(now - oldest), #page}
