-- health: how a lane's health changes.

local function sethealth(s, health)
  if s.health == health then return end
  if s.health == 2 then totals.failing, totals.failingbytes = totals.failing - s.n, totals.failingbytes - s.bytes end
  if health == 2 then totals.failing, totals.failingbytes = totals.failing + s.n, totals.failingbytes + s.bytes end
  s.health, s.since = health, now
end

-- succeed notes that a job was acked whose lease began at that time.
local function succeed(s, began)
  if began > s.acked then s.acked = began end
  if s.health ~= 1 then sethealth(s, 1) end
  if not s.holds then return end
  if began > s.held then
    s.held, s.holds = 0, nil
  else
    s.holds, s.reason = 0, ''
  end
end
