-- What every script begins with: the names of a partition's keys, and what several scripts do.
--
-- KEYS[1]  the partition's base: how the names of all its keys begin, with the hash tag in it
-- ARGV[1]  the wake channel
-- ARGV[2]  the partition's number, which is the wake message
--
--   data      hash    job ID -> Job.Data
--   meta      hash    job ID -> "attempts:first:enqueued:lane"; a job is in the queue if it is here
--   lease     hash    job ID -> the receipt of its current lease
--   leased    zset    job ID by when its lease ends
--   delayed   zset    job ID by when it becomes ready
--   ring      zset    lane by turn: the lanes with ready jobs that may give one
--   busy      set     ordered lanes that have a job leased or delayed
--   lane:L    list    ready job IDs of lane L, oldest first
--   dead      zset    job ID by when it was given up
--   deadmeta  hash    job ID -> "attempts:first:length of the reason:reason, lane"
--   deaddata  hash    job ID -> Job.Data
--   done      set     IDs of jobs acked lately; done- those of the time before
--   state     hash    turn, bytes, dropped: counters; rotated: since when done gathers
--   waiting   string  there if a Receive waits here and has not been woken since
--
-- Times are microseconds. A lane's name begins with "o" if it is ordered and with "u" if not.
-- A receipt is "token:began:size:kind": the Receive that made it, when, the length of the job's data, and
-- the first letter of its lane.
--
-- When its memory is full, Redis refuses a write that needs more, unless the script has written already.
-- So scripts that lease or settle begin with a removal: a full Redis can still be worked off.

local base, channel, part = KEYS[1], ARGV[1], ARGV[2]
local data, meta, lease, leased = base .. 'data', base .. 'meta', base .. 'lease', base .. 'leased'
local delayed, ring, busy, lane = base .. 'delayed', base .. 'ring', base .. 'busy', base .. 'lane:'
local dead, deadmeta, deaddata = base .. 'dead', base .. 'deadmeta', base .. 'deaddata'
local done, before, state, waiting = base .. 'done', base .. 'done-', base .. 'state', base .. 'waiting'

local call = redis.call
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function whole(n) return string.format('%.0f', n) end
local function ordered(l) return string.byte(l) == 111 end

-- the parts of a meta and of a receipt
local function parse(m) return string.match(m, '^(%d+):(%d+):(%d+):(.*)$') end
local function pack(attempts, first, enqueued, l)
  return whole(attempts) .. ':' .. first .. ':' .. enqueued .. ':' .. l
end
local function began(receipt) return string.match(receipt, ':(%d+):%d+:%a$') end
local function size(receipt) return tonumber(string.match(receipt, ':(%d+):%a$')) end

-- enter puts lanes with ready jobs into the ring, except ordered ones that are busy, and wakes
-- whoever waits if one of them was not there.
local function enter(lanes)
  local free, seen = {}, {}
  for _, l in ipairs(lanes) do
    if not seen[l] and not (ordered(l) and call('SISMEMBER', busy, l) == 1) then
      seen[l] = true
      free[#free + 1] = l
    end
  end
  if #free == 0 then return end
  local turn = call('HINCRBY', state, 'turn', #free) - #free
  local args = {}
  for i, l in ipairs(free) do
    args[2 * i - 1] = turn + i
    args[2 * i] = l
  end
  if call('ZADD', ring, 'NX', unpack(args)) > 0 and call('DEL', waiting) == 1 then
    call('PUBLISH', channel, part)
  end
end

-- release says that a job of these lanes is no longer leased or delayed.
local function release(lanes)
  local again = {}
  for _, l in ipairs(lanes) do
    if ordered(l) then call('SREM', busy, l) end
    if call('EXISTS', lane .. l) == 1 then again[#again + 1] = l end
  end
  enter(again)
end

-- current tells which of the jobs are leased under the receipt that is given for them.
local function current(ids, receipts)
  local have, ends = call('HMGET', lease, unpack(ids)), call('ZMSCORE', leased, unpack(ids))
  local ok, seen = {}, {}
  for i, id in ipairs(ids) do
    ok[i] = have[i] == receipts[i] and not seen[id] and ends[i] and tonumber(ends[i]) > now
    seen[id] = true
  end
  return ok
end

-- known tells which job IDs are in the queue or were acked lately.
local function known(ids)
  local live = call('HMGET', meta, unpack(ids))
  local a, b = call('SMISMEMBER', done, unpack(ids)), call('SMISMEMBER', before, unpack(ids))
  local is = {}
  for i in ipairs(ids) do is[i] = live[i] or a[i] == 1 or b[i] == 1 end
  return is
end

-- remember marks IDs as acked for ttl at least and twice that at most, or for fewer if there are more than max.
local function remember(ids, ttl, max)
  call('SADD', done, unpack(ids))
  local rotated = call('HGET', state, 'rotated')
  if not rotated then
    call('HSET', state, 'rotated', whole(now))
  elseif now - rotated > ttl or call('SCARD', done) > max / 2 then
    call('UNLINK', before)
    call('RENAME', done, before)
    call('HSET', state, 'rotated', whole(now))
  end
end

-- forget removes leased jobs from the queue.
local function forget(ids, bytes)
  call('HDEL', meta, unpack(ids))
  call('HDEL', data, unpack(ids))
  call('HDEL', lease, unpack(ids))
  call('ZREM', leased, unpack(ids))
  call('HINCRBY', state, 'bytes', 0 - bytes)
end

-- trim drops the dead letters that are too many or too old, some at a time.
local function trim(max, age)
  local drop = call('ZRANGEBYSCORE', dead, '-inf', now - age, 'LIMIT', 0, 500)
  if #drop == 0 then
    local over = math.min(call('ZCARD', dead) - max, 500)
    if over > 0 then drop = call('ZRANGE', dead, 0, over - 1) end
  end
  if #drop == 0 then return end
  call('ZREM', dead, unpack(drop))
  call('HDEL', deadmeta, unpack(drop))
  call('HDEL', deaddata, unpack(drop))
  call('HINCRBY', state, 'dropped', #drop)
end
