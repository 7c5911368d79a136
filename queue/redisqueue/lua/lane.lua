-- lane returns the state of one lane, which is read if it was not before.
local function lane(name) return lanes[name] or readlane(name, call('HGET', states, name)) end
