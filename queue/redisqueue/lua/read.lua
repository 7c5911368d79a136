-- read returns the data of large jobs. Other than HMGET, it is always run by the master.
--
-- ARGV[3…] their IDs

return call('HMGET', base .. 'large', unpack(ARGV, 3))
