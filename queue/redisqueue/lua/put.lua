-- put writes the data of a new job, and reports whether its ID was unknown. The data of a large job is
-- "" if a command of its own has written it.
local function put(id, data)
  if call('SISMEMBER', base .. 'done', id) + call('SISMEMBER', base .. 'done-', id) > 0 then return false end
  local large = #data > inline
  if call('HSETNX', jobs, id, large and '' or data) == 0 then return false end
  if large then call('HSET', base .. 'large', id, data) end
  return true
end
--@ commit
