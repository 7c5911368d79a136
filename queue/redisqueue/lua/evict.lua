-- evict drops dead letters.
--
-- ARGV[3] letters at most  ARGV[4] bytes that are enough  ARGV[5] 1: of the lane that has the most
-- bytes, oldest first; 0: the oldest of all
--
-- Returns how many it dropped, the number and the bytes of those that are left, when the oldest was
-- given up, and the bytes of the lane that has the most.

--@ letters
local drop, freed = 0, 0
while drop < tonumber(ARGV[3]) and freed < tonumber(ARGV[4]) do
  local id = ARGV[5] == '1' and heaviest() or call('ZRANGE', dead, 0, 0)[1]
  if not id then break end
  local _, bytes = forget({id})
  drop, freed = drop + 1, freed + bytes
end
if drop > 0 then try('HINCRBY', counts, 'dropped', drop) end
return refused or {drop, burden()}
