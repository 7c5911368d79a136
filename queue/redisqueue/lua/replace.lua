-- replace settles a leased job and puts others at the head of its lane in its place.
--
-- ARGV[3]  how long the IDs of settled jobs are remembered
-- ARGV[4]  how many are remembered at most
-- ARGV[5] ID  ARGV[6] receipt  ARGV[7] size  ARGV[8] lane
-- ARGV[9]  1: at most once, there is no lease
-- ARGV[10…] ID and data of each job that takes its place
--
-- Returns 1, or 0 if the lease is not current.

local parent, l, once = ARGV[5], ARGV[8], ARGV[9] == '1'
if not once and not current({parent}, {ARGV[6]})[1] then return 0 end

local enqueued = stamp
if not once then
  local _
  _, enqueued = lane_of(call('HGET', jobs, parent))
  forget({parent}, tonumber(ARGV[7]), ARGV[3], ARGV[4])
end
for i = #ARGV - 1, 10, -2 do
  local id = ARGV[i]
  if not known({id})[1] then
    put(id, header(enqueued, l), ARGV[i + 1])
    call('LPUSH', again .. l, id)
  end
end
release({l})
return 1
