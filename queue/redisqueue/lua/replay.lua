-- replay puts new jobs in the place of dead letters, at the ends of their lanes. IDs that are not
-- here are skipped.
--
-- ARGV[3…] of each: ID of the dead letter, end of the job's ticket, its lane, ordered (0 or 1)
--          and data, which is "" for a large job and was just written by a command of its own
--
-- Returns how many were here.

--@ full
--@ state
--@ place
--@ lane
--@ letters
--@ put
--@ droplarge
local stamp, t, new, lists, old, seen = string.format('%016d', now), nil, {}, {}, {}, {}
load({})
t = totals
for i = 3, #ARGV, 5 do
  local id, tail, name, data = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 4]
  local job, size = sub(tail, 11), tonumber(sub(tail, 1, 9))
  local here = not seen[id] and call('ZSCORE', dead, id)
  if here then old[#old + 1], seen[id] = id, true end
  if here and put(job, data) then
    local s, list = lane(name), lists[name] or {}
    lists[name], list[#list + 1], new[#new + 1] = list, stamp .. tail, job
    s.ordered = tonumber(ARGV[i + 3])
    t.n, t.bytes, s.n, s.bytes = t.n + 1, t.bytes + size, s.n + 1, s.bytes + size
    if s.health == 2 then t.failing, t.failingbytes = t.failing + 1, t.failingbytes + size end
  elseif size > inline then
    droplarge(job)
  end
end
for name in pairs(lists) do place(name, lanes[name]) end
commit(new)
for name, list in pairs(lists) do write(new, 'RPUSH', base .. 'lane:' .. name, unpack(list)) end
forget(old)
return refused or #old
