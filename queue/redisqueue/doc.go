// Package redisqueue is the queue in Redis: for many processes that share webhooks, on a single
// server, behind Sentinel, or on a Redis Cluster. It needs Redis 6.2 or later.
//
//	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{"127.0.0.1:6379"}})
//	q, err := redisqueue.New(ctx, client, redisqueue.Options{})
//
// A job is kept from the moment Enqueue returns nil until it is acked, as safely as Redis keeps its
// data: with an append-only file, across a restart; on a cluster, as far as a replica had it when
// its master died. The lanes' state is kept with the jobs, so every process and every restart knows
// which endpoints work. Redis must not evict keys: set maxmemory-policy to noeviction. A full Redis
// evicts dead letters for new jobs, and then refuses new jobs, which is queue.ErrFull. It can still be
// worked off.
//
// # In Redis
//
// The key "<prefix>partitions" holds the version of the layout and the number of partitions. New
// refuses a store of another version and leaves it as it is.
//
// Lanes are spread over partitions by a hash of their names. All keys of a partition have one hash
// tag, so that a script can change them in one step; no script touches two partitions, so nothing
// crosses a slot. The tags spread the partitions evenly over a cluster's masters. On a single
// server there is one partition, which saves round trips. After "<prefix>{tag}:" the keys of a
// partition are:
//
//	jobs       hash  job ID -> data
//	large      hash  job ID -> data of more than 1,024 bytes; jobs has an empty value then
//	lane:L     list  tickets of the ready jobs of lane L that were never worked on
//	back:L     list  tickets of those that came back; they go first
//	due        zset  leased jobs, delayed jobs and held lanes by when that ends
//	ring1 … 3  zset  lanes with a job to give, by turn: untried, healthy, failing
//	lanes      hash  lane -> its packed state; "" -> the totals of the partition
//	names      zset  lanes in the order of their names
//	done done- set   IDs of jobs settled lately, and of the time before
//	dead       zset  IDs of dead letters by when they were given up
//	dead:L     zset  those of lane L
//	heavy      zset  lanes by the bytes of their dead letters
//	letters    hash  their IDs -> attempts, reason, lane and data; large data stays in the hash large
//	counts     hash  bytes of the dead letters, and how many were evicted
//
// A ticket holds what the queue knows of a job besides its data, so a job is one field of a hash
// and one element of a list, and a lease is one member of due:
//
//	ticket        enqueued(16) size(9) "-" ID                         never worked on
//	              enqueued(16) size(9) "+" attempts(5) first(16) ID   came back
//	leased job    "L" token(16) began(16) ticket " " lane             "P" for the probe of a held lane
//	delayed job   "D" ticket " " lane
//	held lane     "X" lane                                            if it has ready jobs
//
// The numbers in brackets are lengths in characters. Times are microseconds by Redis's clock, in
// decimal. A receipt is the beginning of the leased job's member, so its removal checks the receipt
// in the same step. A held lane is in no ring; when its hold is due, it enters the ring of failing
// lanes and gives one job, the probe, whose lease is then the time of the hold. The state of a
// lane, with its counts of jobs and bytes, is one packed value, which a script reads and writes
// once. It is forgotten when the lane has had no jobs for a day.
//
// Redis's time goes into Lua rather than into commands: into tables and strings, and into every
// function that a script defines. So each script is composed of the fragments that it uses
// (script.go, lua), and Lua hashes every byte of a string, so the data of large jobs passes no
// script. Enqueue writes it in a transaction before its script, and Receive reads it in a second
// round trip.
//
// When its memory is full, Redis refuses a write that needs more, unless the script has written
// already. So scripts that lease or settle begin with a removal.
//
// A script that fails is not undone. So a job's new place, such as its lease, is written before its
// old one is removed, a job that can be put in no list does not stay known, and the wake message,
// which is published last, may fail. What a script was refused in its middle may be received twice;
// it is not lost.
//
// # Times
//
// Leases, delays and holds end by Redis's clock. Lease.First, DeadLetter.At and the times of
// LaneInfo are converted to this process's clock, so it does not matter what time Redis believes it
// is.
//
// # Waiting
//
// A Receive that finds nothing leaves a note in the partition and waits. The script that makes a
// lane ready finds the note, takes it away and publishes one wake message; so nothing is published
// under load, when no Receive waits. Every process listens on one connection of its own, which its
// client makes. A message that is lost, or that the user may not publish, costs 0.7 seconds: that
// is how often a Receive that waits looks by itself. It also looks when the next lease, delay or
// hold ends.
//
// A Receive that waits lends its Want to the Enqueues of its own process. The script of such an Enqueue
// leases the jobs of healthy lanes that have nothing else ready, so on a queue without backlog a job
// takes two round trips in all, its Ack included, and its data crosses the link once.
//
// A Receive asks the partitions that may have jobs at the same time, and divides its limits among
// them. One that has used up its share and has more is asked again for what is left. A partition
// that becomes ready meanwhile waits for the next Receive, so that a Receive takes one round trip.
//
// A blocking command would wake just one receiver, and need a connection for every partition; and
// the client does not notice when its context ends.
//
// # When answers are lost
//
// The client never sends a script twice by itself. A repeated Enqueue does no harm, since IDs are
// known. A Receive whose answer was lost may have leased jobs: its token is given to the next
// Receive on that partition, which releases what it leased, as if it had not been received. A
// Receive that reaches Redis after its caller has given up, because the server hung, does nothing:
// it carries the time, by Redis's clock, until when it is awaited.
//
// A partition that does not answer does not hold up the others; it is tried again five times a
// second. What it brings when its Receive has gone is returned by the next one, or given back if
// there is none within half a second. So a context that ends says nothing of Redis.
//
// # Slow links
//
// A take keeps to a budget of bytes: what the link carries in a second and a few round trips, as
// measured by what came before. The data of large jobs is read in chunks of an eighth of that, four
// at a time. When a chunk does not come, the jobs of those that did are returned and the others
// given back. The time that a call has is two seconds at least and eight round trips, and doubles,
// for a minute, when an answer does not come in time; so do the client's own timeouts then, up to a
// minute, because a job that takes longer than they allow would otherwise be sent again for ever.
//
// When the context of an Enqueue, an Ack, a Nack, a Release or an Extend ends after a part of its
// jobs, the error names the others, so that what is done is not repeated.
//
// # When a master dies
//
// When a master of a cluster cannot be reached, the client is told to look for the masters again,
// which by itself it does once a minute only. While a slot is moved from one master to another, its
// partition answers with an error until the move is complete.
package redisqueue
