-- lanes lists lanes in the order of their names.
--
-- ARGV[3] the name after which to start  ARGV[4] limit
-- ARGV[5] dead letters at most  ARGV[6] how long they are kept  ARGV[7] their bytes at most
--
-- It ends a hundred of what is due, drops a hundred dead letters at most, and returns 0 if there is more
-- of either. Else it returns now, and of each lane in lists: name, ready, when the oldest was enqueued,
-- delayed, leased, bytes, health, since when, held, when the hold ends, holds, reason and dead letters.

--@ full
--@ state
--@ place
--@ page
--@ letters
local more = trim(tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]))
load({})
--@ expire
finish()
if soonest == 0 or more then return 0 end
local list, out, any = page(ARGV[3], ARGV[4]), {now}, call('EXISTS', dead) == 1
for i, name in ipairs(list) do
  local s = lanes[name]
  out[i + 1] = {
    name, s.n - s.leased - s.delayed, oldest(name, s), s.delayed, s.leased, s.bytes, s.health,
    s.since, s.held, s.ends or 0, s.holds or 0, s.reason or '',
    any and call('ZCARD', base .. 'dead:' .. name) or 0,
  }
end
return out
