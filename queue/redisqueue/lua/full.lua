-- full: a removal first. When its memory is full, Redis refuses the writes of a script that has not
-- written yet.
call('ZREM', due, 'X')
