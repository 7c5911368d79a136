-- oldest returns the age of the oldest job at the head of some lanes that are not held.
--
-- ARGV[3] the name after which to start  ARGV[4] how many lanes to look at
--
-- Returns the age, the name of the last lane, or '' if there are no more, and how many jobs are ready
-- whose lanes are held.

--@ state
--@ page
local at, list, held = now, page(ARGV[3], ARGV[4]), 0
for _, name in ipairs(list) do
  local s = lanes[name]
  if s.held > 0 then
    held = held + s.n - s.leased - s.delayed
  else
    local enqueued = oldest(name, s)
    if enqueued > 0 then at = math.min(at, enqueued) end
  end
end
return {now - at, list[tonumber(ARGV[4])] or '', held}
