-- sweep forgets lanes that have had no jobs for a while and have no dead letters.
--
-- ARGV[3] the name after which to start  ARGV[4] how many lanes to look at
-- ARGV[5] how long they are remembered
--
-- Returns the name of the last lane, or '' if there are no more.

--@ state
--@ page
local list, old = page(ARGV[3], ARGV[4]), {}
for _, name in ipairs(list) do
  local s = lanes[name]
  if s.n == 0 and s.touched < now - ARGV[5] and call('EXISTS', base .. 'dead:' .. name) == 0 then old[#old + 1] = name end
end
if #old > 0 then
  call('HDEL', states, unpack(old))
  call('ZREM', base .. 'names', unpack(old))
end
return list[tonumber(ARGV[4])] or ''
