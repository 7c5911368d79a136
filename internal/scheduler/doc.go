// Package scheduler decides which lane's job runs next, on how many workers, and keeps the leases.
//
// It receives jobs from a queue, a few ahead of the workers, and runs them through a Handler. It
// knows lanes and leases and nothing of webhooks: what a job means is the Handler's business.
//
// A job's way: a poller reserves room, receives within it, and has the Handler open the jobs
// (want.go, poll.go). They wait in their lanes. An idle worker begins the first task of the lane
// whose turn it is (pick.go), runs it (work.go), draws conclusions for the lane and for this
// process (judge.go, suspicion.go, hold.go), and tells the queue (settle.go, ack.go). Meanwhile its
// lease is renewed (renew.go).
//
// Lanes that may begin a task are in a heap by their turns, one heap for each health, so that
// choosing costs O(log lanes). Any event that changes what a lane may do puts it where it belongs
// (update); what time alone changes is in another heap, with one timer (timer.go).
package scheduler
