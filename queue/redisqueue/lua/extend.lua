-- extend renews leases.
--
-- ARGV[3]  how long they last
-- ARGV[4…] ID and receipt of each
--
-- Returns the indexes of those that are not current, counted from 0.

local ids, receipts = {}, {}
for i = 4, #ARGV, 2 do
  ids[#ids + 1] = ARGV[i]
  receipts[#ids] = ARGV[i + 1]
end

local lost, args = {}, {}
local ok, expiry = current(ids, receipts), whole(now + ARGV[3])
for i, id in ipairs(ids) do
  if ok[i] then
    args[#args + 1] = expiry
    args[#args + 1] = id
  else
    lost[#lost + 1] = i - 1
  end
end
if #args > 0 then call('ZADD', leased, unpack(args)) end
return lost
