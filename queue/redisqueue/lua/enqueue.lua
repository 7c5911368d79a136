-- enqueue takes jobs at the end of their lanes; those whose ID is known are taken by doing nothing.
--
-- ARGV[3]  jobs that the partition may hold     ARGV[4]  bytes of data that it may hold
-- ARGV[5]  number of lanes n, then name and ordered (0 or 1) of each, then for each job:
-- ARGV[…]  the end of its ticket, its lane, and its data; that of a large job is "" and was just
--          written by a command of its own
--
-- Returns index, counted from 0, and reason of each job that was refused: 1 there is no room, 2 its
-- lane is failing; or 0.

--@ state
--@ place
--@ commit
--@ droplarge
local maxjobs, maxbytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local names, k = {}, 5
for i = 1, ARGV[5] do
  names[i] = ARGV[k + 1]
  k = k + 2
end
local ids, n = {}, 0
for i = k + 1, #ARGV, 3 do
  n = n + 1
  ids[n] = sub(ARGV[i], 11)
end
load(names)
for i = 1, #names do lanes[names[i]].ordered = tonumber(ARGV[5 + 2 * i]) end
local done, before
if n == 1 then
  done = {call('SISMEMBER', base .. 'done', ids[1])}
  before = {call('SISMEMBER', base .. 'done-', ids[1])}
else
  done = call('SMISMEMBER', base .. 'done', unpack(ids))
  before = call('SMISMEMBER', base .. 'done-', unpack(ids))
end

-- A lane may hold 16 times the room that is free, and failing lanes together half of the partition.
local t, refused, closed, lists, new = totals, {}, {}, {}, {}
local stamp = string.format('%016d', now)
for i = 1, n do
  if done[i] == 0 and before[i] == 0 then
    local name, data = ARGV[k + 2], ARGV[k + 3]
    local s, size = lanes[name], #data
    if size == 0 then size = tonumber(sub(ARGV[k + 1], 1, 9)) end
    local free, freebytes, why = maxjobs - t.n, maxbytes - t.bytes, closed[name]
    if not why and s.health == 2 and (2 * (t.failing + 1) > maxjobs or 2 * (t.failingbytes + size) > maxbytes) then
      why = 2
    elseif not why and (free < 1 or freebytes < size or s.n >= 16 * free or s.bytes >= 16 * freebytes) then
      why = 1
    end
    if not why then
      if (size <= inline or call('HEXISTS', base .. 'letters', ids[i]) == 0) and call('HSETNX', jobs, ids[i], data) == 1 then
        local list = lists[name]
        if list then
          list[#list + 1] = stamp .. ARGV[k + 1]
        else
          lists[name] = {stamp .. ARGV[k + 1]}
        end
        new[#new + 1] = ids[i]
        s.n, s.bytes, t.n, t.bytes = s.n + 1, s.bytes + size, t.n + 1, t.bytes + size
        if s.health == 2 then t.failing, t.failingbytes = t.failing + 1, t.failingbytes + size end
      end
    elseif call('HEXISTS', jobs, ids[i]) == 0 then
      local r = #refused
      refused[r + 1], refused[r + 2] = i - 1, why
      if s.ordered == 1 then closed[name] = why end
      if size > inline then droplarge(ids[i]) end
    end
  elseif ARGV[k + 3] == '' then
    droplarge(ids[i])
  end
  k = k + 3
end
if next(lists) then
  for name in pairs(lists) do place(name, lanes[name]) end
  commit(new)
  for name, list in pairs(lists) do push('RPUSH', base .. 'lane:' .. name, list, new) end
end
return #refused > 0 and refused or 0
