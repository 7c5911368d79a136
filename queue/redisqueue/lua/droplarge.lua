-- droplarge forgets the data of a large job that was not taken, unless a job or a dead letter has it.
local function droplarge(id)
  if call('HEXISTS', jobs, id) == 0 and call('HEXISTS', base .. 'letters', id) == 0 then
    call('HDEL', base .. 'large', id)
  end
end
