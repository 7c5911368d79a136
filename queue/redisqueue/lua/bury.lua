-- bury moves a leased job to the dead letters, remembers its ID, and drops the oldest dead letters if there are too many.
--
-- ARGV[3]  how long the IDs of settled jobs are remembered
-- ARGV[4]  how many are remembered at most
-- ARGV[5] ID  ARGV[6] receipt  ARGV[7] size  ARGV[8] lane  ARGV[9] reason
-- ARGV[10] dead letters at most  ARGV[11] how long they are kept
-- ARGV[12] 1: at most once, there is no lease, and these follow: ARGV[13] data  ARGV[14] attempts  ARGV[15] first, or 0
--
-- Returns the number of dead letters, or -1 if the lease is not current.

local id, receipt, l = ARGV[5], ARGV[6], ARGV[8]
local value, attempts, first
if ARGV[12] == '1' then
  value, attempts, first = header(stamp, l) .. ARGV[13], whole(ARGV[14] + 1), ARGV[15]
  if first == '0' then first = string.match(receipt, '^[^:]*:(%d+)') or '0' end
else
  if not current({id}, {receipt})[1] then return -1 end
  attempts, first = tried(id, receipt, 1)
  value = (call('HGET', jobs, id) or header(stamp, l)) .. (call('HGET', data, id) or '')
  forget({id}, tonumber(ARGV[7]), ARGV[3], ARGV[4])
  release({l})
end
call('ZADD', dead, stamp, id)
call('HSET', deadjobs, id, value)
call('HSET', deadmeta, id, attempts .. ':' .. first .. ':' .. ARGV[9])
trim(tonumber(ARGV[10]), tonumber(ARGV[11]))
return call('ZCARD', dead)
