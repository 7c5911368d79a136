-- take makes jobs ready whose delay or lease has ended, and then leases ready jobs, lane by lane in turn.
--
-- ARGV[3]  token, new for every call
-- ARGV[4]  how long the leases last
-- ARGV[5]  when the caller has stopped waiting for the answer: a call that is later does nothing; 0: never
-- ARGV[6]  jobs at most; 0 only looks
-- ARGV[7]  jobs at most of a lane that is not named
-- ARGV[8]  jobs at most of lanes that are not warm
-- ARGV[9]  1: at most once, the jobs leave the queue
-- ARGV[10] how long the IDs of settled jobs are remembered
-- ARGV[11] how many are remembered at most
-- ARGV[12] number of named lanes
-- ARGV[…]  name, limit and warm (0 or 1) of each named lane
-- ARGV[…]  tokens of earlier calls whose answers were lost: their leases are released
--
-- If nothing is taken or no lane is left in the ring, the caller is woken when a lane enters it.
--
-- Returns now, how long until the next delay or lease ends (-1: there is none), the number of lanes left in the
-- ring, and in lists of the same length the IDs and the lanes of the jobs, and if any of them has some, the tries ("" if
-- none). With ARGV[9] a list of their data follows; otherwise the caller reads that. Their receipts follow from the rest.

local token, span, deadline = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local want, unnamed, cold = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local once, named = ARGV[9] == '1', tonumber(ARGV[12])
if deadline > 0 and now > deadline then return {stamp, '0', 0, {}, {}, {}} end

-- disown releases what was leased by calls whose answers were lost.
local function disown(tokens)
  local lost, all = {}, call('HGETALL', lease)
  for i = 1, #all, 2 do
    if tokens[string.match(all[i + 1], '^[^:]*')] and #lost < 1000 then lost[#lost + 1] = all[i] end
  end
  if #lost == 0 then return end
  call('ZREM', leased, unpack(lost))
  call('HDEL', lease, unpack(lost))
  back(lost)
end

local orphans = {}
for i = 13 + 3 * named, #ARGV do orphans[ARGV[i]] = true end
if next(orphans) then disown(orphans) end
local ready = due(delayed, function(ids)
  call('ZREM', delayed, unpack(ids))
  back(ids)
end)
local ends = expire()
local soonest = '-1'
if ready or ends then soonest = whole(math.max(0, math.min(ready or ends, ends or ready) - now)) end

-- room tells how many jobs of a lane may be taken now.
local limit, warm, used = {}, {}, {}
for i = 13, 12 + 3 * named, 3 do
  limit[ARGV[i]] = tonumber(ARGV[i + 1])
  warm[ARGV[i]] = ARGV[i + 2] == '1'
end
local function room(l)
  local name = string.sub(l, 2)
  local n = math.min((limit[name] or unnamed) - (used[name] or 0), want)
  if not warm[name] then n = math.min(n, cold) end
  if ordered(l) then n = math.min(n, 1) end
  return n
end

-- candidates returns the lanes that may give a job, in the order of their turns. Every lane that is not named
-- gives one, until the call is full or cold is used up: there is no need to look further than this, except for
-- the named ones.
local function candidates()
  local found, seen = {}, {}
  local page = call('ZRANGE', ring, 0, want + named - 1)
  for _, l in ipairs(page) do
    seen[l] = true
    if room(l) > 0 then found[#found + 1] = l end
  end
  if #page < want + named then return found end
  for name in pairs(limit) do
    for _, l in ipairs({'u' .. name, 'o' .. name}) do
      if not seen[l] and room(l) > 0 and call('ZSCORE', ring, l) then found[#found + 1] = l end
    end
  end
  return found
end

-- pop takes up to n jobs off a lane.
local function pop(l, n)
  local got = call('LPOP', again .. l, n)
  if not got then return call('LPOP', lane .. l, n) or {} end
  if #got < n then
    for _, id in ipairs(call('LPOP', lane .. l, n - #got) or {}) do got[#got + 1] = id end
  end
  return got
end

-- Each round gives every lane an equal share, so that none waits for another's backlog.
local ids, from, count, visited = {}, {}, 0, {}
local lanes = want > 0 and candidates() or {}
while want > 0 and #lanes > 0 do
  local share, more = math.max(1, math.floor(want / #lanes)), {}
  for _, l in ipairs(lanes) do
    local n = math.min(share, room(l))
    if n > 0 then
      local got = pop(l, n)
      local popped = #got
      for i = 1, popped do
        ids[count + i] = got[i]
        from[count + i] = l
      end
      count = count + popped
      local name = string.sub(l, 2)
      if not used[name] then visited[#visited + 1] = l end
      used[name] = (used[name] or 0) + popped
      want = want - popped
      if not warm[name] then cold = cold - popped end
      if popped == n and not ordered(l) then more[#more + 1] = l end
    end
  end
  lanes = more
end

-- The lanes that were visited go to the end of the ring, or leave it.
if #visited > 0 then
  call('ZREM', ring, unpack(visited))
  if not once then
    for _, l in ipairs(visited) do
      if ordered(l) then call('SADD', busy, l) end
    end
  end
  enter(stocked(visited))
end

local left = call('ZCARD', ring)
if count == 0 or left == 0 then redis.pcall('SET', waiting, '1', 'PX', 5000) end
if count == 0 then
  return {stamp, soonest, left, {}, {}, {}}
end

local result = {stamp, soonest, left, ids, from, {}}
if call('EXISTS', tries) == 1 then
  result[6] = call('HMGET', tries, unpack(ids))
  for i = 1, count do result[6][i] = result[6][i] or '' end
end

if once then
  local size = 0
  result[7] = call('HMGET', data, unpack(ids))
  for i = 1, count do
    result[7][i] = result[7][i] or ''
    size = size + #result[7][i]
  end
  forget(ids, size, ARGV[10], ARGV[11])
  return result
end

local held, expiry = token .. ':' .. stamp, whole(now + span)
local receipts, expiries = {}, {}
for i = 1, count do
  local id = ids[i]
  receipts[2 * i - 1], receipts[2 * i] = id, held
  expiries[2 * i - 1], expiries[2 * i] = expiry, id
end
call('HSET', lease, unpack(receipts))
call('ZADD', leased, unpack(expiries))
return result
