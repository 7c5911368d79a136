-- ack settles delivered jobs and marks their IDs.
--
-- ARGV[3]  time to live of a marker
-- ARGV[4]  markers at most
-- ARGV[5…] ID, receipt and lane of each
--
-- Returns the indexes of those that are not current, counted from 0.

local ids, receipts = {}, {}
for i = 5, #ARGV, 3 do ids[#ids + 1], receipts[#receipts + 1] = ARGV[i], ARGV[i + 1] end

local lost, settled, lanes, bytes = {}, {}, {}, 0
local ok = current(ids, receipts)
for i, id in ipairs(ids) do
  if ok[i] then
    settled[#settled + 1] = id
    bytes = bytes + size(receipts[i])
    local l = ARGV[3 * i + 4]
    if ordered(l) then lanes[#lanes + 1] = l end
  else
    lost[#lost + 1] = i - 1
  end
end
if #settled == 0 then return lost end

forget(settled, bytes)
remember(settled, tonumber(ARGV[3]), tonumber(ARGV[4]))
release(lanes)
return lost
