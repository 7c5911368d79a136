// Package redisqueue is the queue in Redis: for many processes that share webhooks, on a single server, behind Sentinel,
// or on a Redis Cluster. It needs Redis 6.2 or later.
//
//	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{"127.0.0.1:6379"}})
//	q, err := redisqueue.New(ctx, client, redisqueue.Options{})
//
// A job is kept from the moment Enqueue returns nil until it is acked, as safely as Redis keeps its data: with an append-only
// file, across a restart; on a cluster, as far as a replica had it when its master died. Redis must not evict keys: set
// maxmemory-policy to noeviction. A full Redis refuses new jobs, which is queue.ErrFull, and can still be worked off.
//
// # In Redis
//
// Lanes are spread over partitions by a hash of their names. A partition's keys have one hash tag, so that one script
// can change all of them in one step, and no script ever touches two partitions: nothing crosses a slot. The tags are chosen
// such that the partitions are spread over a cluster's masters evenly. On a single server there is one partition, which
// saves round trips. lua/prelude.lua lists the keys.
//
// A lane is a list of job IDs; the lanes that have ready jobs stand in a ring, and Receive serves them in turn. So a lane that
// is skipped costs a look at its name, however long its backlog is. An ordered lane leaves the ring while one of its jobs is
// leased or delayed. A job that was out before comes before those of its lane that were not, so that the time it
// has for its attempts is not used up by waiting.
//
// A job's data is a value in a hash, which is written once, and no script that many jobs pass through touches it: Redis's
// Lua is slow with long strings. Enqueue writes it in one transaction with its script, and Receive reads it in a second round
// trip, when it has leased the job. Leases and delays are sorted by when they end; whoever receives or
// settles next ends what is due. All times are Redis's own. A receipt is checked in the same step that settles the job, and a
// late one is refused. The IDs of settled jobs are remembered in two sets that take turns, which costs less memory and
// work than to let each ID expire.
//
// # Waiting
//
// A Receive that finds nothing leaves a note in the partition and waits. Whoever makes a lane ready finds the note, takes it
// away and publishes one wake message; so under load, when nobody waits, nothing is published. Every process
// listens on one connection of its own, which its client makes. A message that is lost costs half a second: that is how often a
// Receive that waits looks by itself, and also when it learns of a job that somebody else has delayed.
//
// A blocking command would wake just one receiver, and need a connection for every partition; and the client does not notice
// when its context ends.
//
// # When answers are lost
//
// The client never sends a script twice by itself. A repeated Enqueue does no harm, since IDs are known. A Receive
// whose answer was lost may have leased jobs: its token is given to the next Receive on that partition, which releases
// what it leased, as if it had not been received. A Receive that reaches Redis after its caller has given up, because
// the server hung, does nothing: it carries the time, by Redis's clock, until when it is awaited.
//
// A partition that does not answer does not hold up the others; it is tried again five times a second. When a master of a cluster
// cannot be reached, the client is told to look for the masters again, which by itself it does once a minute only. While a
// slot is moved from one master to another, its partition answers with an error until the move is complete.
package redisqueue
