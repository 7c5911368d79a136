-- ack settles delivered jobs and remembers their IDs.
--
-- ARGV[3]  how long the IDs of settled jobs are remembered
-- ARGV[4]  how many are remembered at most
-- ARGV[5] size of the data of all  ARGV[6] number of jobs n
-- ARGV[…]  ID and receipt of each
-- ARGV[…]  ID and lane of each that is of an ordered lane
--
-- Returns the indexes of those that are not current, counted from 0.

local ids, receipts, n = {}, {}, tonumber(ARGV[6])
for i = 1, n do ids[i], receipts[i] = ARGV[2 * i + 5], ARGV[2 * i + 6] end
local lane_of_id = {}
for i = 7 + 2 * n, #ARGV, 2 do lane_of_id[ARGV[i]] = ARGV[i + 1] end

local lost, settled, count, lanes, size = {}, {}, 0, {}, tonumber(ARGV[5])
local ok = current(ids, receipts)
for i = 1, n do
  local id = ids[i]
  if ok[i] then
    count = count + 1
    settled[count] = id
    lanes[#lanes + 1] = lane_of_id[id]
  else
    lost[#lost + 1] = i - 1
    size = size - (string.match(receipts[i], '^[^:]*:%d+:(%d+)') or 0)
  end
end
if count > 0 then
  forget(settled, size, ARGV[3], ARGV[4])
  release(lanes)
end
return lost
