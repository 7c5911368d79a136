-- split returns the ticket and the lane of a timer, whose ticket begins at from.
local find = string.find
local function split(timer, from)
  local space = find(timer, ' ', from, true)
  return sub(timer, from, space - 1), sub(timer, space + 1)
end
