-- lanes lists lanes in the order of their names.
--
-- ARGV[3] the name after which to start  ARGV[4] limit
--
-- Returns now, and of each lane in lists: name, ready, when the oldest was enqueued, delayed,
-- leased, bytes, health, since when, held, when the hold ends, holds and reason.

--@ full
--@ state
--@ place
--@ page
load({})
repeat
  --@ expire
until soonest ~= 0
local list = page(ARGV[3], ARGV[4])
finish()
local out = {now}
for i, name in ipairs(list) do
  local s = lanes[name]
  out[i + 1] = {
    name, s.n - s.leased - s.delayed, oldest(name, s), s.delayed, s.leased, s.bytes, s.health,
    s.since, s.held, s.ends or 0, s.holds or 0, s.reason or '',
  }
end
return out
