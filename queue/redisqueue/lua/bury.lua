-- bury moves a leased job to the dead letters, marks its ID, and drops the oldest dead letters if there are too many.
--
-- ARGV[3]  time to live of a marker
-- ARGV[4]  markers at most
-- ARGV[5] ID  ARGV[6] receipt  ARGV[7] lane  ARGV[8] reason
-- ARGV[9]  dead letters at most  ARGV[10] how long they are kept
-- ARGV[11] 1: at most once, there is no lease, and these follow: ARGV[12] data  ARGV[13] attempts  ARGV[14] first, or 0
--
-- Returns the number of dead letters, or -1 if the lease is not current.

local id, receipt, l, reason = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local d, attempts, first = ARGV[12], ARGV[13], ARGV[14]
if ARGV[11] == '0' then
  if not current({id}, {receipt})[1] then return -1 end
  attempts, first = parse(call('HGET', meta, id))
  d = call('HGET', data, id) or ''
  forget({id}, size(receipt))
  remember({id}, tonumber(ARGV[3]), tonumber(ARGV[4]))
  release({l})
end
if first == '0' then first = began(receipt) end
call('ZADD', dead, now, id)
call('HSET', deaddata, id, d)
call('HSET', deadmeta, id, whole(attempts + 1) .. ':' .. first .. ':' .. #reason .. ':' .. reason .. l)
trim(tonumber(ARGV[9]), tonumber(ARGV[10]))
return call('ZCARD', dead)
