-- take makes jobs ready whose delay or lease has ended, and then leases ready jobs, lane by lane in turn.
--
-- ARGV[3]  token, new for every call
-- ARGV[4]  how long the leases last
-- ARGV[5]  when the caller has stopped waiting for the answer: a call that is later does nothing; 0: never
-- ARGV[6]  jobs at most; 0 only looks
-- ARGV[7]  jobs at most of a lane that is not named
-- ARGV[8]  jobs at most of lanes that are not warm
-- ARGV[9]  1: at most once, the jobs leave the queue
-- ARGV[10] time to live of a marker
-- ARGV[11] markers at most
-- ARGV[12] number of named lanes
-- ARGV[…]  name, limit and warm (0 or 1) of each named lane
-- ARGV[…]  tokens of earlier calls whose answers were lost: their leases are released
--
-- Returns now, how long until the next delay or lease ends (-1: there is none), the number of lanes left in the
-- ring, and then in lists of the same length the jobs' IDs, metas, data and receipts.

local token, span, deadline = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local want, unnamed, cold = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local once, named = ARGV[9] == '1', tonumber(ARGV[12])
if deadline > 0 and now > deadline then return {whole(now), '0', 0, {}, {}, {}, {}} end

-- back puts jobs at the head of their lanes, the first one foremost. attempt says whether a lease ended, which counts.
local function back(ids, receipts, attempt)
  local metas, lanes = call('HMGET', meta, unpack(ids)), {}
  for i = #ids, 1, -1 do
    if metas[i] then
      local attempts, first, enqueued, l = parse(metas[i])
      if attempt and receipts[i] then
        if first == '0' then first = began(receipts[i]) end
        call('HSET', meta, ids[i], pack(attempts + 1, first, enqueued, l))
      end
      call('LPUSH', lane .. l, ids[i])
      lanes[#lanes + 1] = l
    end
  end
  release(lanes)
end

-- unlease takes jobs out of the leased ones and puts them back.
local function unlease(ids, attempt)
  local receipts = call('HMGET', lease, unpack(ids))
  call('ZREM', leased, unpack(ids))
  call('HDEL', lease, unpack(ids))
  back(ids, receipts, attempt)
end

-- disown releases what was leased by calls whose answers were lost.
local function disown(tokens)
  local lost = {}
  local all = call('HGETALL', lease)
  for i = 1, #all, 2 do
    if tokens[string.match(all[i + 1], '^[^:]+')] and #lost < 1000 then lost[#lost + 1] = all[i] end
  end
  if #lost > 0 then unlease(lost, false) end
end

-- due returns when the first of a zset is due, after it has handed over those that are now, a hundred at most.
local function due(key, hand)
  local head = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if head[2] and tonumber(head[2]) <= now then
    hand(call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, 100))
    head = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  end
  return tonumber(head[2])
end

local orphans = {}
for i = 13 + 3 * named, #ARGV do orphans[ARGV[i]] = true end
if next(orphans) then disown(orphans) end
local ready = due(delayed, function(ids)
  call('ZREM', delayed, unpack(ids))
  back(ids, {}, false)
end)
local ends = due(leased, function(ids) unlease(ids, true) end)
local soonest = -1
if ready or ends then soonest = math.max(0, math.min(ready or ends, ends or ready) - now) end

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

-- Each round gives every lane an equal share, so that none waits for another's backlog.
local ids, kinds, visited = {}, {}, {}
local lanes = want > 0 and candidates() or {}
while want > 0 and #lanes > 0 do
  local share, again = math.max(1, math.floor(want / #lanes)), {}
  for _, l in ipairs(lanes) do
    local n = math.min(share, room(l))
    local got = n > 0 and call('LPOP', lane .. l, n) or {}
    if n > 0 and not visited[l] then
      visited[l] = true
      visited[#visited + 1] = l
    end
    for _, id in ipairs(got) do
      ids[#ids + 1] = id
      kinds[#ids] = string.sub(l, 1, 1)
    end
    want = want - #got
    local name = string.sub(l, 2)
    used[name] = (used[name] or 0) + #got
    if not warm[name] then cold = cold - #got end
    if #got > 0 and #got == n and not ordered(l) then again[#again + 1] = l end
  end
  lanes = again
end

-- The lanes that were visited go to the end of the ring, or leave it.
local later = {}
for _, l in ipairs(visited) do
  call('ZREM', ring, l)
  if ordered(l) and not once then
    call('SADD', busy, l)
  elseif call('EXISTS', lane .. l) == 1 then
    later[#later + 1] = l
  end
end
if #later > 0 then
  local turn = call('HINCRBY', state, 'turn', #later) - #later
  for i, l in ipairs(later) do call('ZADD', ring, turn + i, l) end
end

local left = call('ZCARD', ring)
if #ids == 0 then
  redis.pcall('SET', waiting, '1', 'PX', 5000)
  return {whole(now), whole(soonest), left, {}, {}, {}, {}}
end

-- What lost its meta or data, which only an eviction or a stranger can do, is dropped.
local metas, datas = call('HMGET', meta, unpack(ids)), call('HMGET', data, unpack(ids))
local out = {{}, {}, {}, {}}
local leases, expiries, bytes = {}, {}, 0
for i, id in ipairs(ids) do
  if metas[i] and datas[i] then
    local n = #out[1] + 1
    local receipt = token .. ':' .. whole(now) .. ':' .. #datas[i] .. ':' .. kinds[i]
    out[1][n], out[2][n], out[3][n], out[4][n] = id, metas[i], datas[i], receipt
    leases[2 * n - 1], leases[2 * n] = id, receipt
    expiries[2 * n - 1], expiries[2 * n] = now + span, id
    bytes = bytes + #datas[i]
  else
    call('HDEL', meta, id)
    call('HDEL', data, id)
  end
end
if #out[1] == 0 then return {whole(now), '0', left, {}, {}, {}, {}} end

if once then
  forget(out[1], bytes)
  remember(out[1], tonumber(ARGV[10]), tonumber(ARGV[11]))
else
  call('HSET', lease, unpack(leases))
  call('ZADD', leased, unpack(expiries))
end
return {whole(now), whole(soonest), left, out[1], out[2], out[3], out[4]}
