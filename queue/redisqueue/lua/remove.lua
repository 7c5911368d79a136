-- remove: how jobs leave the queue.

-- remove takes jobs that are no longer leased out of the queue and remembers their IDs.
local function remove(tickets, names, ttl, max)
  local ids, t, all = {}, totals, 0
  for i, ticket in ipairs(tickets) do
    local s, size = lanes[names[i]], tonumber(sub(ticket, 17, 25))
    ids[i] = idof(ticket)
    s.n, s.bytes = s.n - 1, s.bytes - size
    if s.health == 2 then t.failing, t.failingbytes = t.failing - 1, t.failingbytes - size end
    all = all + size
  end
  t.n, t.bytes = t.n - #ids, t.bytes - all
  call('HDEL', jobs, unpack(ids))
  mark(ids, ttl, max)
end
