-- tries returns the attempts, the first time and the ID of a ticket, after a lease that began at
-- that time, if it was an attempt.
local function tries(ticket, counted, began)
  local attempts, first, id = 0, '0000000000000000', nil
  if byte(ticket, 26) == 45 then
    id = sub(ticket, 27)
  else
    attempts, first, id = tonumber(sub(ticket, 27, 31)), sub(ticket, 32, 47), sub(ticket, 48)
  end
  if counted then
    attempts = math.min(attempts + 1, 99999)
    if first == '0000000000000000' then first = began end
  end
  return attempts, first, id
end

-- worked returns the ticket of a job that comes back.
local function worked(ticket, counted, began)
  local attempts, first, id = tries(ticket, counted, began)
  return sub(ticket, 1, 25) .. '+' .. string.format('%05d', attempts) .. first .. id
end
