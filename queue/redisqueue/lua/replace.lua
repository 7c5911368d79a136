-- replace settles a leased job and puts others at the head of its lane in its place.
--
-- ARGV[3]  time to live of a marker
-- ARGV[4]  markers at most
-- ARGV[5] ID  ARGV[6] receipt  ARGV[7] lane
-- ARGV[8]  1: at most once, there is no lease
-- ARGV[9…] ID and data of each job that takes its place
--
-- Returns 1, or 0 if the lease is not current.

local parent, receipt, l, once = ARGV[5], ARGV[6], ARGV[7], ARGV[8] == '1'
if not once and not current({parent}, {receipt})[1] then return 0 end

local enqueued = whole(now)
if not once then
  local _
  _, _, enqueued = parse(call('HGET', meta, parent))
  forget({parent}, size(receipt))
  remember({parent}, tonumber(ARGV[3]), tonumber(ARGV[4]))
end
for i = #ARGV - 1, 9, -2 do
  local id, d = ARGV[i], ARGV[i + 1]
  if not known({id})[1] then
    call('HSET', data, id, d)
    call('HSET', meta, id, pack(0, '0', enqueued, l))
    call('HINCRBY', state, 'bytes', #d)
    call('LPUSH', lane .. l, id)
  end
end
release({l})
return 1
