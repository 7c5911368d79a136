-- full: a removal first. When its memory is full, Redis refuses a script's writes unless it has removed something.
call('ZREM', due, 'X')
