-- What every script begins with: the names of a partition's keys, and what several scripts do.
--
-- KEYS[1]  the partition's base: how the names of all its keys begin, with the hash tag in it
-- KEYS[2]  the base and "-". No key has the name of either. While a slot is moved to another master, a command with
--          several keys that are not all there is refused, on both masters: so no script sees half a partition.
-- ARGV[1]  the wake channel
-- ARGV[2]  the partition's number, which is the wake message
--
--   jobs     hash    job ID -> "enqueued:length of lane:lane"; a job is in the queue if it is here
--   data     hash    job ID -> its data
--   tries    hash    job ID -> "attempts:first", for jobs that had a lease which was not released
--   lease    hash    job ID -> "token:began", with which the receipt of its current lease begins
--   leased   zset    job ID by when its lease ends
--   delayed  zset    job ID by when it becomes ready
--   ring     zset    lane by turn: the lanes with ready jobs that may give one
--   busy     set     ordered lanes that have a job leased or delayed
--   lane:L   list    IDs of the ready jobs of lane L, in order
--   again:L  list    those that were out before; they come first, so that a backlog does not use up their time
--   dead     zset    job ID by when it was given up
--   deadjobs hash    job ID -> as in jobs, and its data
--   deadmeta hash    job ID -> "attempts:first:reason"
--   done     set     IDs of jobs settled lately; done- those of the time before
--   state    hash    turn, bytes, dropped: counters; rotated: since when done gathers
--   waiting  string  there if somebody is to be woken when a lane enters the ring
--
-- Times are microseconds. A lane's name begins with "o" if it is ordered and with "u" if not.
-- A receipt is "token:began:size:kind": the Receive that made it, when, the length of the job's data, and
-- the first letter of its lane.
--
-- Redis's Lua hashes every byte of every string that it meets, so the data of jobs stays out of scripts where many pass:
-- Enqueue and Receive write and read it by commands of their own. Nothing is searched for in strings there,
-- and tables are filled by a counter, not by #: both are slow.
--
-- When its memory is full, Redis refuses a write that needs more, unless the script has written already.
-- So scripts that lease or settle begin with a removal: a full Redis can still be worked off.

local base, channel, part = KEYS[1], ARGV[1], ARGV[2]
local jobs, data, tries = base .. 'jobs', base .. 'data', base .. 'tries'
local lease, leased = base .. 'lease', base .. 'leased'
local delayed, ring, busy = base .. 'delayed', base .. 'ring', base .. 'busy'
local lane, again = base .. 'lane:', base .. 'again:'
local dead, deadjobs, deadmeta = base .. 'dead', base .. 'deadjobs', base .. 'deadmeta'
local done, before, state, waiting = base .. 'done', base .. 'done-', base .. 'state', base .. 'waiting'

local call = redis.call
local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function whole(n) return string.format('%.0f', n) end
local stamp = whole(now)

local function ordered(l) return string.byte(l) == 111 end

-- header is the value of a job. In a dead letter's its data follows.
local function header(enqueued, l) return enqueued .. ':' .. #l .. ':' .. l end

-- lane_of returns the lane of a job's value, and when the job was enqueued.
local function lane_of(value)
  local enqueued, length, from = string.match(value, '^(%d+):(%d+):()')
  return string.sub(value, from, from + length - 1), enqueued
end

-- tried returns the attempts and the first time of a job, after noting that a lease of it ended in
-- anything but a release.
local function tried(id, receipt, counted)
  local attempts, first = string.match(call('HGET', tries, id) or '0:0', '^(%d+):(%d+)$')
  if first == '0' then first = string.match(receipt, '^[^:]*:(%d+)') end
  return whole(attempts + counted), first
end

-- enter puts lanes with ready jobs into the ring, except ordered ones that are busy, and wakes
-- all receivers if one of them was not there and somebody is to be woken.
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

-- stocked returns those of the lanes that have ready jobs.
local function stocked(lanes)
  local keys, some = {}, {}
  for i, l in ipairs(lanes) do keys[2 * i - 1], keys[2 * i] = lane .. l, again .. l end
  if #lanes == 0 or call('EXISTS', unpack(keys)) == 0 then return some end
  for i, l in ipairs(lanes) do
    if call('EXISTS', keys[2 * i - 1], keys[2 * i]) > 0 then some[#some + 1] = l end
  end
  return some
end

-- release says that a job of these lanes is no longer leased or delayed.
local function release(lanes)
  for _, l in ipairs(lanes) do
    if ordered(l) then call('SREM', busy, l) end
  end
  enter(stocked(lanes))
end

-- back puts jobs that are neither leased nor delayed any more among those that come first in their lanes.
local function back(ids)
  local values, lanes = call('HMGET', jobs, unpack(ids)), {}
  for i, id in ipairs(ids) do
    if values[i] then
      local l = lane_of(values[i])
      call('RPUSH', again .. l, id)
      lanes[#lanes + 1] = l
    end
  end
  release(lanes)
end

-- due returns when the first of a zset is due, after it has handed over those that are now, a hundred at most.
local function due(key, hand)
  local head = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if head[2] and tonumber(head[2]) <= now then
    hand(call('ZRANGEBYSCORE', key, '-inf', stamp, 'LIMIT', 0, 100))
    head = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  end
  return head[2] and tonumber(head[2])
end

-- expire ends the leases whose time has passed, and returns when the next one ends.
local function expire()
  return due(leased, function(ids)
    local receipts = call('HMGET', lease, unpack(ids))
    call('ZREM', leased, unpack(ids))
    call('HDEL', lease, unpack(ids))
    for i, id in ipairs(ids) do
      if receipts[i] then
        local attempts, first = tried(id, receipts[i], 1)
        call('HSET', tries, id, attempts .. ':' .. first)
      end
    end
    back(ids)
  end)
end

-- matches says whether a receipt is that of a lease.
local function matches(receipt, held)
  return held and string.find(receipt, held, 1, true) == 1 and string.find(receipt, '^:%d+:[ou]$', #held + 1)
end

-- current tells which of the jobs are leased under the receipt that is given for them.
local function current(ids, receipts)
  local next
  repeat next = expire() until not next or next > now
  local have, ok, seen = call('HMGET', lease, unpack(ids)), {}, {}
  for i = 1, #ids do
    local id = ids[i]
    ok[i] = matches(receipts[i], have[i]) and not seen[id]
    seen[id] = true
  end
  return ok
end

-- known tells which job IDs are in the queue or were settled lately, and returns the values of those in the queue.
local function known(ids)
  local live = call('HMGET', jobs, unpack(ids))
  local a, b = call('SMISMEMBER', done, unpack(ids)), call('SMISMEMBER', before, unpack(ids))
  local is = {}
  for i = 1, #ids do is[i] = live[i] or a[i] == 1 or b[i] == 1 end
  return is, live
end

-- put writes a job into the queue that is not in any list yet.
local function put(id, value, bytes)
  call('HSET', jobs, id, value)
  call('HSET', data, id, bytes)
  call('HINCRBY', state, 'bytes', #bytes)
end

-- forget takes leased jobs out of the queue and remembers their IDs for ttl at least and twice that at most, or for a
-- shorter time if there are more than max of them. size is the length of their data together.
local function forget(ids, size, ttl, max)
  call('HDEL', data, unpack(ids))
  call('HDEL', jobs, unpack(ids))
  call('HDEL', lease, unpack(ids))
  call('ZREM', leased, unpack(ids))
  if call('EXISTS', tries) == 1 then call('HDEL', tries, unpack(ids)) end
  call('HINCRBY', state, 'bytes', 0 - size)
  call('SADD', done, unpack(ids))
  local rotated = call('HGET', state, 'rotated')
  if not rotated then
    call('HSET', state, 'rotated', stamp)
  elseif now - rotated > tonumber(ttl) or call('SCARD', done) > tonumber(max) / 2 then
    call('UNLINK', before)
    call('RENAME', done, before)
    call('HSET', state, 'rotated', stamp)
  end
end

-- trim drops the dead letters that are too many or too old, some at a time.
local function trim(max, age)
  local drop = call('ZRANGEBYSCORE', dead, '-inf', whole(now - age), 'LIMIT', 0, 500)
  if #drop == 0 then
    local over = math.min(call('ZCARD', dead) - max, 500)
    if over > 0 then drop = call('ZRANGE', dead, 0, over - 1) end
  end
  if #drop == 0 then return end
  call('ZREM', dead, unpack(drop))
  call('HDEL', deadmeta, unpack(drop))
  call('HDEL', deadjobs, unpack(drop))
  call('HINCRBY', state, 'dropped', #drop)
end
