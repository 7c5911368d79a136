-- lanes lists lanes in the order of their names.
--
-- ARGV[3] the name after which to start  ARGV[4] limit
--
-- It ends a hundred of what is due, and returns 0 if more is. Else it returns now, and of each lane in
-- lists: name, ready, when the oldest was enqueued, delayed, leased, bytes, health, since when, held,
-- when the hold ends, holds and reason.

--@ full
--@ state
--@ place
--@ page
load({})
--@ expire
finish()
if soonest == 0 then return 0 end
local list, out = page(ARGV[3], ARGV[4]), {now}
for i, name in ipairs(list) do
  local s = lanes[name]
  out[i + 1] = {
    name, s.n - s.leased - s.delayed, oldest(name, s), s.delayed, s.leased, s.bytes, s.health,
    s.since, s.held, s.ends or 0, s.holds or 0, s.reason or '',
  }
end
return out
