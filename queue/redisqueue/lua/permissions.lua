-- permissions tries every command that the scripts run, on each key that they run it on, so that it
-- changes nothing: on members and fields that no job or lane can have, which it removes again.
--
-- Returns the command and the key or channel of each that is not permitted.

local key, missing = nil, {}

-- try runs a command. Any other error does not matter here, such as one of a full memory.
local function try(command, ...)
  local answer = redis.pcall(command, key, ...)
  local text = type(answer) == 'table' and answer.err
  if text and (text:find('NOPERM', 1, true) or text:find('ACL failure', 1, true) or
    text:find("user executing the script can't", 1, true)) then
    missing[#missing + 1] = command .. ' ' .. key
  end
end

key = base .. 'due'
try('ZREM', 'X')
try('ZADD', 'XX', 0, 'X')
try('ZRANGE', 0, 0)
try('ZRANGEBYSCORE', 0, 0, 'LIMIT', 0, 0)
try('ZSCORE', 'X')
try('ZMSCORE', 'X')
for _, name in ipairs({'jobs', 'large', 'letters', 'lanes'}) do
  local field = string.rep(' ', 600) -- longer than the names of lanes and IDs
  key = base .. name
  try('HDEL', field)
  try('HSETNX', field, '')
  try('HSET', field, '')
  try('HGET', field)
  try('HMGET', field)
  try('HEXISTS', field)
  try('HDEL', field)
end
key = base .. 'counts'
try('HGET', ' ')
try('HINCRBY', ' ', 0)
try('HDEL', ' ')
for _, name in ipairs({'lane:', 'back:'}) do
  key = base .. name -- no lane has the name ""
  try('RPUSH', '')
  try('LPUSH', '')
  try('LRANGE', 0, 0)
  try('LINDEX', 0)
  try('LLEN')
  try('LTRIM', 1, -1)
  try('LPOP')
end
for _, name in ipairs({'ring1', 'ring2', 'ring3', 'names', 'heavy', 'dead', 'dead:'}) do
  key = base .. name
  try('ZREM', '')
  try('ZADD', 'XX', 0, '')
  try('ZRANGE', 0, 0)
  if name == 'names' then
    try('ZRANGEBYLEX', '-', '+', 'LIMIT', 0, 0)
  elseif name == 'heavy' then
    try('ZREVRANGE', 0, 0)
    try('ZSCORE', '')
    try('ZINCRBY', 0, '')
    try('ZREM', '')
  elseif name == 'dead' then
    try('ZRANGEBYSCORE', 0, 0, 'LIMIT', 0, 0)
    try('ZSCORE', '')
    try('ZCARD')
  elseif name == 'dead:' then
    try('EXISTS')
  end
end
for _, name in ipairs({'done', 'done-'}) do
  key = base .. name
  try('SREM', ' ')
  try('SADD', ' ')
  try('SISMEMBER', ' ')
  try('SMISMEMBER', ' ')
  try('SREM', ' ')
end
key = base .. 'done'
try('RENAME', key)
key = ARGV[1]
try('PUBLISH', '')
return missing
