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
local n, stamp, t = 0, string.format('%016d', now), nil
load({})
t = totals
for i = 3, #ARGV, 5 do
  local id, tail, name, data = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 4]
  local new, size = sub(tail, 11), tonumber(sub(tail, 1, 9))
  if call('ZSCORE', dead, id) then
    n = n + 1
    if put(new, data, 'RPUSH', base .. 'lane:' .. name, stamp .. tail) then
      local s = lane(name)
      s.ordered = tonumber(ARGV[i + 3])
      t.n, t.bytes, s.n, s.bytes = t.n + 1, t.bytes + size, s.n + 1, s.bytes + size
      if s.health == 2 then t.failing, t.failingbytes = t.failing + 1, t.failingbytes + size end
      place(name, s)
    elseif size > inline then
      droplarge(new)
    end
    forget({id})
  elseif size > inline then
    droplarge(new)
  end
end
finish()
return n
