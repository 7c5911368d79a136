-- enqueue takes jobs at the end of their lanes; those whose ID is known are taken by doing nothing.
--
-- ARGV[3]  jobs that the partition may hold     ARGV[4]  bytes of data that it may hold
-- ARGV[5]  number of lanes n, then name and ordered (0 or 1) of each, then for each job:
-- ARGV[…]  the end of its ticket, its lane, its data
--
-- Returns index, counted from 0, and reason of each job that was refused: 1 there is no room, 2 its lane is failing.

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
local done = call('SMISMEMBER', base .. 'done', unpack(ids))
local before = call('SMISMEMBER', base .. 'done-', unpack(ids))

-- room returns why there is no room for a job of this size in a lane, or nil. A lane may hold 16 times the room that is
-- free, and failing lanes together half of the partition.
local t = totals
local function room(s, size)
  if s.health == 2 and (2 * (t.failing + 1) > maxjobs or 2 * (t.failingbytes + size) > maxbytes) then return 2 end
  local free, freebytes = maxjobs - t.n, maxbytes - t.bytes
  if free < 1 or freebytes < size or s.n >= 16 * free or s.bytes >= 16 * freebytes then return 1 end
end

local refused, closed, lists = {}, {}, {}
local stamp = string.format('%016.0f', now)
for i = 1, n do
  if done[i] == 0 and before[i] == 0 then
    local tail, name, data = ARGV[k + 1], ARGV[k + 2], ARGV[k + 3]
    local s, size = lanes[name], #data
    local why = closed[name] or room(s, size)
    if why and call('HEXISTS', jobs, ids[i]) == 0 then
      refused[#refused + 1], refused[#refused + 2] = i - 1, why
      if s.ordered == 1 then closed[name] = why end
    elseif not why and call('HSETNX', jobs, ids[i], data) == 1 then
      local list = lists[name]
      if not list then
        list = {}
        lists[name] = list
      end
      list[#list + 1] = stamp .. tail
      s.n, s.bytes, t.n, t.bytes = s.n + 1, s.bytes + size, t.n + 1, t.bytes + size
      if s.health == 2 then t.failing, t.failingbytes = t.failing + 1, t.failingbytes + size end
    end
  end
  k = k + 3
end
for name, list in pairs(lists) do
  call('RPUSH', base .. 'lane:' .. name, unpack(list))
  place(name, lanes[name])
end
if next(lists) then finish() end
return refused
