-- try runs a command whose failure must not stop the script, and returns a number. The script returns
-- the error, refused, at its end.
local refused
local function try(...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' then return tonumber(answer) or 0 end
  refused = refused or answer
  return 0
end
