-- list returns dead letters, oldest first.
--
-- ARGV[3] dead letters at most  ARGV[4] how long they are kept  ARGV[5] their bytes at most
-- ARGV[6] limit  ARGV[7] the time after which to start
-- ARGV[8] the ID after which to start at that same time
--
-- It drops a hundred beyond the bounds, and returns 0 if there may be more of them. Else it returns now,
-- and time, ID and value of each in one list.

--@ letters
if trim(tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])) then return 0 end
local out, limit, after = {now}, tonumber(ARGV[6]), tonumber(ARGV[7])
local page = call('ZRANGEBYSCORE', dead, ARGV[7], '+inf', 'WITHSCORES', 'LIMIT', 0, limit + 16)
for i = 1, #page, 2 do
  local id, at, n = page[i], tonumber(page[i + 1]), #out
  if n <= 3 * (limit - 1) + 1 and (at > after or id > ARGV[8]) then
    out[n + 1], out[n + 2], out[n + 3] = at, id, call('HGET', letters, id) or ''
  end
end
return out
