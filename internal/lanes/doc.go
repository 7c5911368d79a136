// Package lanes keeps the lanes of a queue in memory: which job may be received next, which is
// leased or delayed and until when, and each lane's health and hold. It implements the rules of
// package queue for drivers whose jobs are indexed by one process; what a job is and where it is
// stored is the driver's business.
//
// A [Set] does no I/O, starts no goroutine and is not safe for concurrent use: its driver locks it.
// Its types mirror those of package queue, which imports it.
package lanes
