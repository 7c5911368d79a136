-- replace settles a leased job and puts others at the head of its lane in its place.
--
-- ARGV[3]  how long the IDs of settled jobs are remembered  ARGV[4]  how many are remembered at most
-- ARGV[5]  timer    ARGV[6]  1: at most once, there is no lease
-- ARGV[7…] ID, size in 9 digits and data of each job that takes its place
--
-- Returns 1, or 0 if the lease is not current.

--@ full
--@ state
--@ place
--@ again
--@ put
--@ ticket
local timer, once, ttl, maxmarks, fence = ARGV[5], ARGV[6] == '1', ARGV[3], ARGV[4], 'ZSCORE'
local ticket, name = split(timer, 34)
load({name})
if not once then
  local timers = {timer}
  --@ settle
  if n == 0 then return 0 end
end
local s, t, first, new, added = lanes[name], totals, '0000000000000000', {}, {}
if byte(ticket, 26) == 43 then first = sub(ticket, 32, 47) end
for i = #ARGV - 2, 7, -3 do
  local id, size = ARGV[i], tonumber(ARGV[i + 1])
  if put(id, ARGV[i + 2]) then
    new[#new + 1] = id
    added[#added + 1] = sub(ticket, 1, 16) .. ARGV[i + 1] .. '+00000' .. first .. id
    t.n, t.bytes, s.n, s.bytes, s.back = t.n + 1, t.bytes + size, s.n + 1, s.bytes + size, s.back + 1
    if s.health == 2 then t.failing, t.failingbytes = t.failing + 1, t.failingbytes + size end
  end
end
--@ try
local tickets, names, ids, old = {ticket}, {name}, {sub(ticket, byte(ticket, 26) == 45 and 27 or 48)}, nil
if not once then
  --@ remove
  old = large
end
again(timer, s, 0)
place(name, s)
commit(new)
if #new > 0 then write(new, 'LPUSH', base .. 'back:' .. name, unpack(added)) end
if not once then
  call('ZREM', due, timer)
  call('HDEL', jobs, unpack(ids))
  if old then call('HDEL', base .. 'large', unpack(old)) end
end
return refused or 1
