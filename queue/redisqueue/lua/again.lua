-- again: a hold that becomes due again because its probe tells nothing.

-- again makes the hold due after a delay if timer is the lease of its probe.
local function again(timer, s, delay)
  if byte(timer) == 80 and s.held > 0 and s.probe == sub(timer, 2, 17) then s.ends = now + delay end
end
