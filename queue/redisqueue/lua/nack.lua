-- nack gives leased jobs back: after a delay, at the head of their lanes (a release, and every job of an ordered lane), or
-- at the end.
--
-- ARGV[3…] ID, receipt, lane, delay and counted (0 or 1) of each
--
-- Returns the indexes of those that are not current, counted from 0.

local ids, receipts = {}, {}
for i = 3, #ARGV, 5 do ids[#ids + 1], receipts[#receipts + 1] = ARGV[i], ARGV[i + 1] end

local lost, lanes, last = {}, {}, {}
local ok = current(ids, receipts)
local metas = call('HMGET', meta, unpack(ids))
for i = #ids, 1, -1 do
  local id, l = ids[i], ARGV[5 * i]
  local delay, counted = tonumber(ARGV[5 * i + 1]), tonumber(ARGV[5 * i + 2])
  if ok[i] and metas[i] then
    call('ZREM', leased, id)
    call('HDEL', lease, id)
    if counted == 1 or delay > 0 then
      local attempts, first, enqueued = parse(metas[i])
      if first == '0' then first = began(receipts[i]) end
      call('HSET', meta, id, pack(attempts + counted, first, enqueued, l))
    end
    if delay > 0 then
      call('ZADD', delayed, now + delay, id)
    else
      lanes[#lanes + 1] = l
      if counted == 0 or ordered(l) then
        call('LPUSH', lane .. l, id)
      else
        table.insert(last, 1, {l, id})
      end
    end
  else
    lost[#lost + 1] = i - 1
  end
end
for _, job in ipairs(last) do call('RPUSH', lane .. job[1], job[2]) end
release(lanes)
return lost
