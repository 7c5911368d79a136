-- enqueue takes jobs at the end of their lanes; those whose ID is known are taken by doing nothing.
--
-- ARGV[3]  jobs that the partition may hold     ARGV[4]  bytes of data that it may hold
-- ARGV[5]  "", or what may be leased at once, packed: a token of 16 characters, new for every call, how
--          long the leases last, until when the caller waits for them, and how many jobs at most
-- ARGV[6]  number of lanes n, then of each its name and, as one number, 1 if it is ordered and twice the
--          jobs of it that may be leased, then for each job:
-- ARGV[…]  the end of its ticket, its lane, and its data; that of a large job is "" and was just
--          written by a command of its own
--
-- A job is leased at once if its lane is healthy and has no other that is ready: a Receive that waits
-- would get it next.
--
-- Returns in one list: the number of jobs that were refused, index, counted from 0, and reason of each
-- (1 there is no room, 2 its lane is failing), and if any were leased, now and their indexes; or 0 if
-- none were refused or leased.

--@ state
--@ place
--@ commit
--@ droplarge
local maxjobs, maxbytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local names, k = {}, 6
for i = 1, ARGV[6] do
  names[i] = ARGV[k + 1]
  k = k + 2
end
local ids, n = {}, 0
for i = k + 1, #ARGV, 3 do
  n = n + 1
  ids[n] = sub(ARGV[i], 11)
end
load(names)
for i = 1, #names do
  local s, flags = lanes[names[i]], tonumber(ARGV[6 + 2 * i])
  s.ordered, s.room = flags % 2, math.floor(flags / 2)
end
local done, before
if n == 1 then
  done = {call('SISMEMBER', base .. 'done', ids[1])}
  before = {call('SISMEMBER', base .. 'done-', ids[1])}
else
  done = call('SMISMEMBER', base .. 'done', unpack(ids))
  before = call('SMISMEMBER', base .. 'done-', unpack(ids))
end

-- buried reports whether a dead letter has the data of that ID.
local letters = base .. 'letters'
local dead
local function buried(id)
  if dead == nil then dead = call('EXISTS', letters) == 1 end
  return dead and call('HEXISTS', letters, id) == 1
end

-- A lane may hold 16 times the room that is free, and failing lanes together half of the partition.
local t, refused, closed, lists, new = totals, {0}, {}, {}, {}
local stamp = string.format('%016d', now)
local room, leases, timers, leased, head, ends = 0, {}, {}, {}, nil, nil
if ARGV[5] ~= '' then
  local token, lease, deadline, max = struct.unpack('<c16ddd', ARGV[5])
  if now <= deadline then room = max end
  head, ends = 'L' .. token .. stamp .. stamp, string.format('%d', now + lease)
end
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
      if (size <= inline or not buried(ids[i])) and call('HSETNX', jobs, ids[i], data) == 1 then
        local list, ready = lists[name], s.n - s.leased - s.delayed
        if room > 0 and s.room > 0 and s.health == 1 and not s.holds and ready == 0 and (s.ordered == 0 or s.n == 0) then
          local timer, m = head .. ARGV[k + 1] .. ' ' .. name, #timers + 1
          leases[2 * m - 1], leases[2 * m], timers[m], leased[m] = ends, timer, timer, i - 1
          room, s.room, s.leased, t.leased = room - 1, s.room - 1, s.leased + 1, t.leased + 1
        elseif list then
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
      refused[1], refused[r + 1], refused[r + 2] = refused[1] + 1, i - 1, why
      if s.ordered == 1 then closed[name] = why end
      if size > inline then droplarge(ids[i]) end
    end
  elseif ARGV[k + 3] == '' then
    droplarge(ids[i])
  end
  k = k + 3
end
if #new > 0 then
  for name in pairs(lists) do place(name, lanes[name]) end
  if #timers > 0 then write(new, 'ZADD', due, unpack(leases)) end
  commit(new, timers)
  for name, list in pairs(lists) do write(new, 'RPUSH', base .. 'lane:' .. name, unpack(list)) end
end
if #timers > 0 then
  refused[#refused + 1] = now
  for i = 1, #leased do refused[#refused + 1] = leased[i] end
end
return #refused > 1 and refused or 0
