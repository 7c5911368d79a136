-- remove counts the jobs that tickets, names and ids list, which are no longer leased, out of the
-- queue, and remembers their IDs, in two sets that take turns, for ttl at least and twice that at
-- most, or for a shorter time if there are more than maxmarks. It leaves their data to the script. It
-- sets large to the IDs of large jobs, or to nil.
local t, done, all, large = totals, base .. 'done', 0, nil
for i = 1, #ids do
  local s, size = lanes[names[i]], tonumber(sub(tickets[i], 17, 25))
  s.n, s.bytes = s.n - 1, s.bytes - size
  if s.health == 2 then t.failing, t.failingbytes = t.failing - 1, t.failingbytes - size end
  all = all + size
  if size > inline then
    large = large or {}
    large[#large + 1] = ids[i]
  end
end
t.n, t.bytes = t.n - #ids, t.bytes - all
t.marks = t.marks + try('SADD', done, unpack(ids))
if now - t.rotated > tonumber(ttl) or t.marks > maxmarks / 2 then
  if t.rotated > 0 then
    try('RENAME', done, done .. '-')
    t.marks = 0
  end
  t.rotated = now
end
