-- commit writes the state, as finish does. If that fails, the jobs whose IDs new lists do not stay
-- known, since no list has them.
local function commit(new)
  local ok, why = pcall(finish)
  if ok then return end
  if #new > 0 then call('HDEL', jobs, unpack(new)) end
  error(why)
end

-- push writes tickets of new jobs at an end of a list, after commit.
local function push(command, list, tickets, new)
  local answer = redis.pcall(command, list, unpack(tickets))
  if type(answer) ~= 'table' then return end
  call('HDEL', jobs, unpack(new))
  error(answer.err)
end
