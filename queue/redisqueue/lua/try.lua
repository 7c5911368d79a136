-- try runs a command whose failure must not stop the script, and returns a number, 0 for an answer
-- that is none, such as RENAME's "OK". The script returns the error, refused, at its end.
local refused
local function try(...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' then return tonumber(answer) or 0 end
  if answer.err then refused = refused or answer end -- a status is a table, too
  return 0
end
