-- commit writes the state, as finish does. If that fails, the jobs whose IDs new lists do not stay
-- known, since no list has them, nor do the leases that timers lists.
local function commit(new, timers)
  local ok, why = pcall(finish)
  if ok then return end
  if timers and #timers > 0 then call('ZREM', due, unpack(timers)) end
  if #new > 0 then call('HDEL', jobs, unpack(new)) end
  error(why)
end

-- write runs a command that writes where new jobs are. If that fails, they do not stay known.
local function write(new, ...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' then return end
  call('HDEL', jobs, unpack(new))
  error(answer.err)
end
