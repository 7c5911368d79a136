-- stats returns what the partition holds.
--
-- ARGV[3] dead letters at most  ARGV[4] how long they are kept  ARGV[5] their bytes at most
--
-- Returns ready, delayed, leased, dead, bytes, dropped, and the bytes of dead letters.

--@ full
--@ state
--@ place
--@ letters
trim(tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
load({})
repeat
  --@ expire
until soonest ~= 0
finish()
local t = totals
return {
  t.n - t.leased - t.delayed, t.delayed, t.leased, call('ZCARD', dead), t.bytes,
  tonumber(call('HGET', counts, 'dropped') or 0), tonumber(call('HGET', counts, 'bytes') or 0),
}
