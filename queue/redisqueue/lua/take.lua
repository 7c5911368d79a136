-- take ends what is due, and then leases ready jobs, ring by ring and lane by lane in turn.
--
-- ARGV[3]  token, new for every call
-- ARGV[4]  how long the leases last
-- ARGV[5]  when the caller has stopped waiting for the answer: a call that is later does nothing; 0: never
-- ARGV[6]  jobs at most; 0 only looks           ARGV[7]  jobs at most of a lane that is not named
-- ARGV[8]  jobs at most of untried lanes        ARGV[9]  jobs at most of failing lanes, probes included
-- ARGV[10] the ring to begin with, 0 to 2
-- ARGV[11] 1: at most once, the jobs leave the queue
-- ARGV[12] how long the IDs of settled jobs are remembered  ARGV[13] how many are remembered at most
-- ARGV[14] number of named lanes, then name and limit of each
-- ARGV[…]  for each earlier call whose answer was lost: its token, and from when to when its leases end
--
-- If nothing is taken or no lane is left in the rings, the caller is woken when a lane enters one.
--
-- Returns now, how long until something is due (-1: nothing is), the number of lanes left in the rings, and if there are
-- jobs, in lists: of each lane name, ordered, health, held and holds; of each job its ticket, lane and data.

local token, lease, deadline = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local want, perlane, once, named = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[11] == '1', tonumber(ARGV[14])
if deadline > 0 and now > deadline then return {now, -1, 0} end

local limits = {}
for i = 15, 14 + 2 * named, 2 do limits[ARGV[i]] = tonumber(ARGV[i + 1]) end
load({})

-- disown releases what was leased by a call whose answer was lost.
local function disown(lost, from, to)
  local touched = {}
  local timers = call('ZRANGEBYSCORE', due, from, to)
  for i = #timers, 1, -1 do
    local timer = timers[i]
    if sub(timer, 2, 17) == lost and (byte(timer) == 76 or byte(timer) == 80) then
      call('ZREM', due, timer)
      local ticket, name = split(timer, 34)
      local s, fresh = lane(name), byte(ticket, 26) == 45
      call('LPUSH', base .. (fresh and 'lane:' or 'back:') .. name, ticket)
      s.leased, totals.leased = s.leased - 1, totals.leased - 1
      if not fresh then s.back = s.back + 1 end
      again(timer, s, 0)
      touched[name] = s
    end
  end
  for name, s in pairs(touched) do place(name, s) end
end
for i = 15 + 2 * named, #ARGV, 3 do disown(ARGV[i], ARGV[i + 1], ARGV[i + 2]) end
local soonest = expire()

local infos, tickets, from, count, visits = {}, {}, {}, 0, {}

-- pop takes up to n jobs off a list.
local function pop(list, name, n, index)
  if n <= 0 then return 0 end
  local got = call('LPOP', base .. list .. name, n) or {}
  for i = 1, #got do tickets[count + i], from[count + i] = got[i], index end
  count = count + #got
  return #got
end

-- popboth takes n of a lane's ready jobs: those that came back first, but for a probe.
local function popboth(name, s, ready, n, index)
  local fresh, popped = ready - s.back, 0
  if s.held > 0 and s.ordered == 0 then popped = pop('lane:', name, math.min(n, fresh), index) end
  local back = pop('back:', name, math.min(n - popped, s.back), index)
  s.back, popped = s.back - back, popped + back
  return popped + pop('lane:', name, math.min(n - popped, fresh), index)
end

-- visit takes up to max jobs from the lanes of a ring. Each round gives every lane an equal share, so that none waits
-- for another's backlog.
local function visit(ring, max)
  local open, n, all = {}, 0, 0
  for _, name in ipairs(call('ZRANGE', base .. 'ring' .. ring, 0, max + named - 1)) do
    if n < max and (limits[name] or perlane) > 0 then
      n = n + 1
      open[n] = name
    end
  end
  if n == 0 then return 0 end
  load(open)
  local lap = {}
  for i = 1, n do
    local name = open[i]
    local s, k = lanes[name], #infos
    infos[k + 1], infos[k + 2], infos[k + 3], infos[k + 4], infos[k + 5] =
      name, s.ordered, s.health, s.held > 0 and 1 or 0, s.holds or 0
    lap[i] = {name, s, limits[name] or perlane, #visits + 1}
    if s.held > 0 or s.ordered == 1 then lap[i][3] = 1 end
    visits[#visits + 1] = {name, s, 0, ring}
  end
  while all < max and #lap > 0 do
    local share, more = math.max(1, math.floor((max - all) / #lap)), {}
    for _, l in ipairs(lap) do
      local s, v = l[2], visits[l[4]]
      local ready = s.n - s.leased - s.delayed - v[3]
      local k = math.min(share, l[3] - v[3], ready, max - all)
      if k > 0 then
        local popped = popboth(l[1], s, ready, k, l[4])
        v[3], all = v[3] + popped, all + popped
        if popped == k and ready > k and v[3] < l[3] then more[#more + 1] = l end
      end
    end
    lap = more
  end
  return all
end

for i = 0, 2 do
  local ring = (ARGV[10] + i) % 3 + 1
  local max = want - count
  if ring == 1 then max = math.min(max, ARGV[8]) elseif ring == 3 then max = math.min(max, ARGV[9]) end
  if max > 0 and totals[ring] > 0 then visit(ring, max) end
end

local ids, names = {}, {}
if count > 0 then
  local held, ends, leases = token .. string.format('%016.0f', now), now + lease, {}
  for i = 1, count do
    local ticket, v = tickets[i], visits[from[i]]
    ids[i], names[i] = idof(ticket), v[1]
    leases[2 * i - 1], leases[2 * i] = ends, (v[2].held > 0 and 'P' or 'L') .. held .. ticket .. ' ' .. v[1]
  end
  if not once then call('ZADD', due, unpack(leases)) end
end
local data = {}
if count > 0 then data = call('HMGET', jobs, unpack(ids)) end
for i = 1, count do data[i] = data[i] or '' end
if once and count > 0 then remove(tickets, names, ARGV[12], ARGV[13]) end

-- The lanes that gave jobs go to the end of their rings, or leave them.
local turns = {{}, {}, {}}
for _, v in ipairs(visits) do
  local name, s, n, ring = v[1], v[2], v[3], v[4]
  if not once then totals.leased, s.leased = totals.leased + n, s.leased + n end
  if s.held > 0 and n > 0 then s.ends, s.probe = now + lease, token end
  place(name, s)
  if n > 0 and s.place == ring then
    local list = turns[ring]
    totals.turn = totals.turn + 1
    list[#list + 1], list[#list + 2] = totals.turn, name
  end
end
for ring = 1, 3 do
  if #turns[ring] > 0 then call('ZADD', base .. 'ring' .. ring, unpack(turns[ring])) end
end

local left = totals[1] + totals[2] + totals[3]
if count == 0 or left == 0 then totals.waiting = now + 5000000 end
if count == 0 then call('ZREM', due, 'X') end -- a removal first, so that a full Redis takes the rest
finish()
if count == 0 then return {now, soonest, left} end
return {now, soonest, left, infos, tickets, from, data}
