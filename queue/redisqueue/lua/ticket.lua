-- ticket: what the queue knows of a job besides its data. It stands in its lane's list while the job is ready,
-- and in a timer while it is leased or delayed:
--
--   ticket         enqueued(16) size(9) "-" ID                         never worked on
--                  enqueued(16) size(9) "+" attempts(5) first(16) ID   came back
--   leased job     "L" token(16) began(16) ticket " " lane             "P" instead of "L" if it is a probe
--   delayed job    "D" ticket " " lane
--   held lane      "X" lane
--
-- The numbers in brackets are lengths; all of these are decimal, but the token. IDs have no spaces.

local byte, find = string.byte, string.find

-- split returns the ticket and the lane of a timer, whose ticket begins at from.
local function split(timer, from)
  local space = find(timer, ' ', from, true)
  return sub(timer, from, space - 1), sub(timer, space + 1)
end

local function idof(ticket) return sub(ticket, byte(ticket, 26) == 45 and 27 or 48) end
