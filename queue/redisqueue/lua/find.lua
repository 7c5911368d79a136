-- find returns when the dead letter with the ID ARGV[3] was given up, or 0 if it is not here.

--@ letters
return tonumber(call('ZSCORE', dead, ARGV[3]) or 0)
