-- page: lanes in the order of their names.

-- page loads the lanes after a name, up to limit of them, and returns their names.
local function page(after, limit)
  local from = after == '' and '-' or '(' .. after
  local list = call('ZRANGEBYLEX', base .. 'names', from, '+', 'LIMIT', 0, limit)
  load(list)
  return list
end

-- oldest returns when the oldest ready job was enqueued that is at the head of one of the lane's
-- lists, or 0.
local function oldest(name, s)
  local at = 0
  if s.n > s.leased + s.delayed then
    for _, list in ipairs({'back:', 'lane:'}) do
      local ticket = call('LINDEX', base .. list .. name, 0)
      local enqueued = ticket and tonumber(sub(ticket, 1, 16))
      if enqueued and (at == 0 or enqueued < at) then at = enqueued end
    end
  end
  return at
end
