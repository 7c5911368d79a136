-- lanes returns lanes of the ring in the order of their turns.
--
-- ARGV[3] how many to pass over  ARGV[4] how many to return
--
-- Returns their names, each with its kind before it.

return call('ZRANGE', ring, ARGV[3], ARGV[3] + ARGV[4] - 1)
