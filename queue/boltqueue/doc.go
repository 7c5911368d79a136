// Package boltqueue is a queue in one file, for a host that has no server to keep its jobs: what
// Enqueue has accepted is on the disk and survives SIGKILL and the loss of power.
//
// The file is a bbolt database. It belongs to one process at a time; [Open] refuses a second one.
// It never shrinks: the room of settled jobs is used again, so its size is that of the longest
// backlog it ever held. It holds jobs, IDs, the states of lanes and the reasons of dead letters,
// and nothing secret. It carries a version, and Open refuses a file of an earlier or a later one
// without changing it.
//
// # Writes
//
// One goroutine makes all writes. It commits what has gathered in one transaction, synced to the
// disk, and then answers every caller. A lone caller is committed at once; many callers share a
// commit, so that the disk's latency is paid once for all of them. What is settled is marked as
// such by the commit of its Ack, and deleted from the file with others, at most 96 jobs later.
//
// # Leases
//
// Leases are kept in memory. When the process is killed, every job that it had leased is ready
// again when the file is opened. The leases that were cut off are not counted as attempts the first
// time, because the file does not tell which they were. After a crash the jobs that the file held
// are suspects: Receive writes their lease as an attempt before it returns them, so a job that
// kills its process every time is counted from the second time on. Close counts the leases that it
// ends.
//
// # Lanes
//
// A lane's health and its hold are written when they change, in the transaction of the SetLane or
// the Ack that changes them, and Open restores them. An Ack of a lane that is Healthy already
// writes nothing of the lane, except when the lane was used last, once an hour. The state is kept
// for a day after the lane's last job left, after a reopen up to an hour longer. The lease of a
// probe is not written: when the process is killed, the hold is due again.
//
// # Clocks
//
// Within a process, times come from the monotonic clock. Between processes there is only the wall
// clock, which may have been wrong, or may be wrong when the file is opened. After Open a delayed
// job waits at most as long as its Nack asked for, a hold lasts at most [queue.MaxHold], and no age
// is negative.
//
// # Memory
//
// For each job up to 170 bytes are kept in memory and for each lane with jobs 400, which
// Options.MaxJobs bounds. A job's Data is read from the file when it is received, unless it is among
// the 8 MiB that were enqueued lately. Open rebuilds the index from the jobs' records, without reading
// their Data.
//
// # Damage
//
// Open verifies every page that the file uses before anything is written, and refuses a damaged file
// without changing it. A page that is found to be damaged later ends the queue: every call returns an
// error that names the file, until the queue is closed.
package boltqueue
