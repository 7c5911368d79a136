-- enqueue takes jobs at the end of their lanes; those whose ID is known are taken by doing nothing.
--
-- ARGV[3]  jobs that the partition may hold
-- ARGV[4]  bytes of data that it may hold
-- ARGV[5…] ID, lane and data of each job
--
-- Returns the indexes of the jobs for which there was no room, counted from 0.

local maxjobs, maxbytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local ids = {}
for i = 5, #ARGV, 3 do ids[#ids + 1] = ARGV[i] end

local is = known(ids)
local jobs = call('HLEN', meta)
local bytes = tonumber(call('HGET', state, 'bytes') or 0)

local refused, closed = {}, {}
local datas, metas, lanes, lists, added = {}, {}, {}, {}, 0
local stamp = whole(now)
for i, id in ipairs(ids) do
  local l, d = ARGV[3 * i + 3], ARGV[3 * i + 4]
  if is[i] or metas[id] then
    -- taken already
  elseif closed[l] or jobs >= maxjobs or bytes + #d > maxbytes then
    refused[#refused + 1] = i - 1
    closed[l] = ordered(l)
  else
    jobs, bytes, added = jobs + 1, bytes + #d, added + #d
    metas[id] = true
    datas[#datas + 1], datas[#datas + 2] = id, d
    metas[#metas + 1], metas[#metas + 2] = id, pack(0, '0', stamp, l)
    if not lists[l] then
      lists[l] = {}
      lanes[#lanes + 1] = l
    end
    table.insert(lists[l], id)
  end
end
if #lanes == 0 then return refused end

call('HSET', data, unpack(datas))
call('HSET', meta, unpack(metas))
call('HINCRBY', state, 'bytes', added)
for _, l in ipairs(lanes) do call('RPUSH', lane .. l, unpack(lists[l])) end
enter(lanes)
return refused
