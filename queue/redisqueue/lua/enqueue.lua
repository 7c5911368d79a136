-- enqueue takes jobs at the end of their lanes; those whose ID is known are taken by doing nothing.
--
-- ARGV[3]  jobs that the partition may hold
-- ARGV[4]  bytes of data that it may hold
-- ARGV[5…] ID, lane and size of the data of each job; the data itself has just been written
--
-- Returns the indexes of the jobs for which there was no room, counted from 0.

local maxjobs, maxbytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local ids, n = {}, (#ARGV - 4) / 3
for i = 1, n do ids[i] = ARGV[3 * i + 2] end

local is, live = known(ids)
local held = call('HLEN', jobs)
local bytes = tonumber(call('HGET', state, 'bytes') or 0)

local refused, closed, surplus = {}, {}, {}
local fields, count, lanes, lists, heads, added = {}, 0, {}, {}, {}, 0
for i = 1, n do
  local id, l, size = ids[i], ARGV[3 * i + 3], tonumber(ARGV[3 * i + 4])
  if is[i] or is[id] then -- taken already
    if is[i] and not live[i] then surplus[#surplus + 1] = id end
  elseif closed[l] or held >= maxjobs or bytes + size > maxbytes then
    refused[#refused + 1] = i - 1
    surplus[#surplus + 1] = id
    closed[l] = ordered(l)
  else
    is[id] = true
    held, bytes, added = held + 1, bytes + size, added + size
    local list = lists[l]
    if not list then
      list = {}
      lists[l], heads[l] = list, header(stamp, l)
      lanes[#lanes + 1] = l
    end
    list[#list + 1] = id
    fields[count + 1] = id
    fields[count + 2] = heads[l]
    count = count + 2
  end
end
if #surplus > 0 then call('HDEL', data, unpack(surplus)) end
if count == 0 then return refused end

call('HSET', jobs, unpack(fields))
call('HINCRBY', state, 'bytes', added)
for _, l in ipairs(lanes) do call('RPUSH', lane .. l, unpack(lists[l])) end
enter(lanes)
return refused
