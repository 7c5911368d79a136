-- marks: the IDs of settled jobs, in two sets that take turns.

-- mark remembers IDs for ttl at least and twice that at most, or for a shorter time if there are more than max.
local function mark(ids, ttl, max)
  local t, done = totals, base .. 'done'
  t.marks = t.marks + call('SADD', done, unpack(ids))
  if now - t.rotated > tonumber(ttl) or t.marks > max / 2 then
    if t.rotated > 0 then
      call('RENAME', done, done .. '-')
      t.marks = 0
    end
    t.rotated = now
  end
end
