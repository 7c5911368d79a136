-- setlane changes a lane's state.
--
-- ARGV[3] lane  ARGV[4] health: 2 failing, 0 untried  ARGV[5] how long it is held; 0 changes no hold
-- ARGV[6] when the lease began whose failure began the row, or 0  ARGV[7] reason
-- ARGV[8] how long ago the row began
--
-- Returns 1, or 0 if the lane has succeeded since.

--@ full
--@ state
--@ place
--@ health
local name, hold, since = ARGV[3], tonumber(ARGV[5]), tonumber(ARGV[6])
load({name})
local s = lanes[name]
s.idle = false
local result = 1
if ARGV[4] == '0' then
  sethealth(s, 0)
  s.since, s.acked, s.held, s.holds = 0, 0, 0, nil
elseif since > 0 and s.acked > since then
  result = 0
elseif since == 0 or s.held == 0 or since >= s.held then
  if s.health ~= 2 then
    sethealth(s, 2)
    s.since = now - ARGV[8]
  end
  if not s.holds then s.ends, s.holds, s.probe = 0, 0, string.rep(' ', 16) end
  s.reason = ARGV[7]
  if hold > 0 then s.held, s.ends, s.holds, s.probe = now, now + hold, s.holds + 1, string.rep(' ', 16) end
end
if not (s.new and s.health == 0) then
  place(name, s)
  finish()
end
return result
