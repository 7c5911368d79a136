-- oldest returns the age of the oldest job at the head of some lanes.
--
-- ARGV[3] the name after which to start  ARGV[4] how many lanes to look at
--
-- Returns the age, and the name of the last lane, or '' if there are no more.

--@ state
--@ page
local at, list = now, page(ARGV[3], ARGV[4])
for _, name in ipairs(list) do
  local enqueued = oldest(name, lanes[name])
  if enqueued > 0 then at = math.min(at, enqueued) end
end
return {now - at, list[tonumber(ARGV[4])] or ''}
