-- stats returns what the partition holds.
--
-- ARGV[3] dead letters at most  ARGV[4] how long they are kept
--
-- Returns ready, delayed, leased, dead, bytes, dropped.

trim(tonumber(ARGV[3]), tonumber(ARGV[4]))
local wait = call('ZCOUNT', delayed, stamp, '+inf')
local out = call('ZCOUNT', leased, stamp, '+inf')
return {
  call('HLEN', jobs) - wait - out, wait, out, call('ZCARD', dead),
  tonumber(call('HGET', state, 'bytes') or 0), tonumber(call('HGET', state, 'dropped') or 0),
}
