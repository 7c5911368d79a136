-- list returns dead letters, oldest first.
--
-- ARGV[3] dead letters at most  ARGV[4] how long they are kept
-- ARGV[5] limit  ARGV[6] the time after which to start  ARGV[7] the ID after which to start at that same time
--
-- Returns time, ID, meta and value of each in one list.

trim(tonumber(ARGV[3]), tonumber(ARGV[4]))
local out, limit = {}, tonumber(ARGV[5])
local page = call('ZRANGEBYSCORE', dead, ARGV[6], '+inf', 'WITHSCORES', 'LIMIT', 0, limit + 16)
for i = 1, #page, 2 do
  local id, at = page[i], tonumber(page[i + 1])
  if #out < 4 * limit and (at > tonumber(ARGV[6]) or id > ARGV[7]) then
    local n = #out
    out[n + 1], out[n + 2] = whole(at), id
    out[n + 3], out[n + 4] = call('HGET', deadmeta, id) or '', call('HGET', deadjobs, id) or ''
  end
end
return out
