-- take ends what is due, and then leases ready jobs, ring by ring and lane by lane in turn.
--
-- ARGV[3]  what is fixed, packed: a token of 16 characters, new for every call, and these numbers:
--          how long the leases last
--          when the caller has stopped waiting: a call that is later does nothing; 0: never
--          jobs at most; 0 only looks
--          jobs at most of a lane that is not named
--          jobs at most of untried lanes
--          jobs at most of failing lanes, probes included
--          the ring to begin with, 0 to 2
--          1: at most once, the jobs leave the queue
--          how long the IDs of settled jobs are remembered
--          how many are remembered at most
--          the number of named lanes
--          bytes of data at most, but for the first job
-- ARGV[4…] name and limit of each named lane, and then for each earlier call whose answer was lost:
--          its token, and from when to when its leases end
--
-- If nothing is taken or no lane is left in the rings, the caller is woken when a lane enters one.
--
-- Returns in one list: now, how long until something is due (-1: nothing is), in which rings there
-- are lanes left (the sum of 1 untried, 2 healthy and 4 failing; -1: the call was late), and if
-- there are jobs, the number of lanes; name, ordered, health, held and holds of each lane; and
-- ticket, index of its lane from 0, and data of each job, which is "" for a large one: the caller
-- reads that.

local token, lease, deadline, want, perlane, untried, failing, begin, once, ttl, maxmarks, named, budget =
  struct.unpack('<c16dddddddddddd', ARGV[3])
if deadline > 0 and now > deadline then return {now, -1, -1} end

--@ state
--@ place
load({})

-- What was leased by calls whose answers were lost is released.
if #ARGV > 3 + 2 * named then
  --@ full
  --@ lane
  --@ ticket
  --@ again
  local pushes, ended = {}, {}
  for i = 4 + 2 * named, #ARGV, 3 do
    local timers = call('ZRANGEBYSCORE', due, ARGV[i + 1], ARGV[i + 2])
    for j = #timers, 1, -1 do
      local timer = timers[j]
      if sub(timer, 2, 17) == ARGV[i] and (byte(timer) == 76 or byte(timer) == 80) then
        local ticket, name = split(timer, 34)
        local s, fresh = lane(name), byte(ticket, 26) == 45
        ended[#ended + 1] = timer
        pushes[#pushes + 1], pushes[#pushes + 2] = base .. (fresh and 'lane:' or 'back:') .. name, ticket
        s.leased, totals.leased = s.leased - 1, totals.leased - 1
        if not fresh then s.back = s.back + 1 end
        again(timer, s, 0)
      end
    end
  end
  if #ended > 0 then
    for name, s in pairs(lanes) do place(name, s) end
    finish()
    for i = 1, #pushes, 2 do call('LPUSH', pushes[i], pushes[i + 1]) end
    for _, timer in ipairs(ended) do call('ZREM', due, timer) end
  end
end
--@ expire

local limits
if named > 0 then
  limits = {}
  for i = 4, 3 + 2 * named, 2 do limits[ARGV[i]] = ARGV[i + 1] + 0 end
end

local visits, tickets, ids, names, from, count = {nil}, {nil}, {nil}, {nil}, {nil}, 0
local spare = totals.bytes > budget and budget -- the bytes left of the budget; false: all jobs fit

-- peek reads up to n more jobs of a list of a lane. They leave the list when their leases are
-- written, so that a script that fails loses none. What exceeds the budget ends the take.
local function peek(list, visit, n)
  if n <= 0 or want == count then return 0 end
  local name, index, seen = visit.name, visit.index, visit[list] or 0
  local key, got = base .. list .. name, nil
  if n > 1 then
    got = call('LRANGE', key, seen, seen + n - 1)
  else
    got = {call('LINDEX', key, seen == 0 and '0' or seen) or nil}
  end
  visit[list] = seen + #got
  for i = 1, #got do
    local ticket = got[i]
    if spare then
      spare = spare - tonumber(sub(ticket, 17, 25))
      if spare < 0 and count > 0 then
        want, visit[list] = count, seen + i - 1
        return i - 1
      end
    end
    count = count + 1
    tickets[count], names[count], from[count] = ticket, name, index
    ids[count] = sub(ticket, byte(ticket, 26) == 45 and 27 or 48)
  end
  return #got
end

for i = 0, 2 do
  local ring, open, n, laps = (begin + i) % 3 + 1, {}, 0, 0
  local max = want - count
  if ring == 1 then max = math.min(max, untried) elseif ring == 3 then max = math.min(max, failing) end
  if max > 0 and totals[ring] > 0 then
    local page = call('ZRANGE', base .. 'ring' .. ring, '0', max + named - 1)
    for j = 1, #page do
      if n < max and (limits and limits[page[j]] or perlane) > 0 then
        n = n + 1
        open[n] = page[j]
      end
    end
    if n > 0 then load(open) end
  end
  for j = 1, n do
    local name = open[j]
    local s = lanes[name]
    local probe, limit = s.held > 0, limits and limits[name] or perlane
    if probe or s.ordered == 1 then limit = 1 end
    open[j] = {
      name = name, s = s, index = #visits + 1, probe = probe, health = s.health, holds = s.holds or 0, taken = 0,
      limit = math.min(limit, s.n - s.leased - s.delayed),
    }
    visits[#visits + 1] = open[j]
  end

  -- Each round gives every lane an equal share, so that none waits for another's backlog. The jobs
  -- of a lane that came back go first, but for a probe.
  while max > 0 and n > 0 do
    local share, part, more = math.max(1, math.floor(max / n)), spare and spare / n, 0
    for j = 1, n do
      local v = open[j]
      local s, k, fresh, popped = v.s, math.min(share, v.limit - v.taken, max), 0, 0
      if part and k > 1 then k = math.min(k, math.floor(part * s.n / math.max(s.bytes, 1)) + 1) end
      if want == count then
        max = 0
      elseif k > 0 then
        fresh = s.n - s.leased - s.delayed - s.back
        if v.probe and s.ordered == 0 and fresh > 0 then popped = peek('lane:', v, k) end
        if popped < k and s.back > 0 then
          local back = peek('back:', v, math.min(k - popped, s.back))
          s.back, popped = s.back - back, popped + back
        end
        if popped < k then popped = popped + peek('lane:', v, k - popped) end
        v.taken, max = v.taken + popped, max - popped
        if popped < k and want > count then -- somebody has removed jobs
          local ready = call('LLEN', base .. 'back:' .. v.name) - (v['back:'] or 0)
          s.back, ready = ready, ready + call('LLEN', base .. 'lane:' .. v.name) - (v['lane:'] or 0)
          totals.n, s.n = totals.n - s.n, s.leased + s.delayed + v.taken + ready
          totals.n = totals.n + s.n
        elseif v.taken < v.limit then
          more = more + 1
          open[more] = v
        end
      end
    end
    n = more
  end
end

-- cut removes the jobs that were read from a list.
local function cut(list, visit)
  local n, key = visit[list] or 0, base .. list .. visit.name
  if n == 1 then
    call('LPOP', key)
  elseif n > 1 then
    call('LTRIM', key, n, '-1')
  end
end

local data = {}
if count > 0 then
  data = count > 1 and call('HMGET', jobs, unpack(ids)) or {call('HGET', jobs, ids[1])}
  for i = 1, count do data[i] = data[i] or '' end
  local head, ends = token .. string.format('%016d', now), string.format('%d', now + lease)
  if once == 0 then
    local leases = {}
    for i = 1, count do
      leases[2 * i - 1] = ends
      leases[2 * i] = (visits[from[i]].probe and 'P' or 'L') .. head .. tickets[i] .. ' ' .. names[i]
    end
    if type(redis.pcall('ZADD', due, unpack(leases))) == 'table' then -- refused, perhaps because the memory is full
      --@ full
      call('ZADD', due, unpack(leases))
    end
    totals.leased = totals.leased + count
  else
    --@ full
    for i = 1, count do
      if tonumber(sub(tickets[i], 17, 25)) > inline then data[i] = call('HGET', base .. 'large', ids[i]) or '' end
    end
    --@ try
    --@ remove
    call('HDEL', jobs, unpack(ids))
    if large then call('HDEL', base .. 'large', unpack(large)) end
  end
  for i = 1, #visits do
    cut('back:', visits[i])
    cut('lane:', visits[i])
  end
end

-- The lanes that gave jobs go to the end of their rings, or leave them.
for i = 1, #visits do
  local v = visits[i]
  local s, n = v.s, v.taken
  if once == 0 then s.leased = s.leased + n end
  if v.probe and n > 0 then s.ends, s.probe = now + lease, token end
  place(v.name, s, n > 0)
end

if count == 0 then call('ZREM', due, 'X') end -- a removal first, as in the fragment full
flush()
local left = (totals[1] > 0 and 1 or 0) + (totals[2] > 0 and 2 or 0) + (totals[3] > 0 and 4 or 0)
if count == 0 or left == 0 then totals.waiting = now + 5000000 end
finish()
if count == 0 then return {now, soonest, left} end

-- One flat list, since every table in an answer costs as much as several commands.
local answer = {now, soonest, left, #visits}
local k = 4
for i = 1, #visits do
  local v = visits[i]
  answer[k + 1], answer[k + 2], answer[k + 3], answer[k + 4], answer[k + 5] =
    v.name, v.s.ordered, v.health, v.probe and 1 or 0, v.holds
  k = k + 5
end
for i = 1, count do
  answer[k + 1], answer[k + 2], answer[k + 3] = tickets[i], from[i] - 1, data[i]
  k = k + 3
end
return answer
