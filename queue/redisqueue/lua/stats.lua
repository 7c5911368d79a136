-- stats returns what the partition holds.
--
-- ARGV[3] dead letters at most  ARGV[4] how long they are kept  ARGV[5] their bytes at most
--
-- It ends a hundred of what is due, and drops a hundred dead letters at most. Returns ready, delayed,
-- leased, bytes, dropped, 1 if there is more to end or to drop and else 0, and the number and the bytes of the dead letters, when the oldest was given up, and the
-- bytes of those of the lane that has the most.

--@ full
--@ state
--@ place
--@ letters
local more = trim(tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
load({})
--@ expire
finish()
local t = totals
return {
  t.n - t.leased - t.delayed, t.delayed, t.leased, t.bytes, tonumber(call('HGET', counts, 'dropped') or 0),
  (soonest == 0 or more) and 1 or 0, burden(),
}
