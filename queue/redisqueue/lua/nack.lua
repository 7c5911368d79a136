-- nack gives leased jobs back: after a delay, at the head of their lanes (a release, and every job of an ordered lane), or
-- at the end.
--
-- ARGV[3…] ID, receipt, lane, delay and counted (0 or 1) of each
--
-- Returns the indexes of those that are not current, counted from 0.

local ids, receipts = {}, {}
for i = 3, #ARGV, 5 do
  ids[#ids + 1] = ARGV[i]
  receipts[#ids] = ARGV[i + 1]
end

local lost, lanes, last = {}, {}, {}
local ok = current(ids, receipts)
for i = #ids, 1, -1 do
  local id, l = ids[i], ARGV[5 * i]
  local delay, counted = tonumber(ARGV[5 * i + 1]), tonumber(ARGV[5 * i + 2])
  if ok[i] then
    call('ZREM', leased, id)
    call('HDEL', lease, id)
    if counted == 1 or delay > 0 then
      local attempts, first = tried(id, receipts[i], counted)
      call('HSET', tries, id, attempts .. ':' .. first)
    end
    if delay > 0 then
      call('ZADD', delayed, whole(now + delay), id)
    else
      lanes[#lanes + 1] = l
      if counted == 0 or ordered(l) then
        call('LPUSH', again .. l, id)
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
