-- put writes a new job into the queue, its ticket with push, which is LPUSH or RPUSH, and reports
-- whether its ID was unknown. The data of a large job is "" if a command of its own has written it.
local function put(id, data, push, list, ticket)
  if call('SISMEMBER', base .. 'done', id) + call('SISMEMBER', base .. 'done-', id) > 0 then return false end
  local large = #data > inline
  if call('HSETNX', jobs, id, large and '' or data) == 0 then return false end
  if large then call('HSET', base .. 'large', id, data) end
  local pushed = redis.pcall(push, list, ticket)
  if type(pushed) == 'table' then -- refused. A job that is in no list must not stay known.
    call('HDEL', jobs, id)
    error(pushed.err)
  end
  return true
end
