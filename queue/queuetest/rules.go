package queuetest

// rules are the rules of package queue, word for word.
var rules = map[string]string{
	"H1": "An Ack makes its lane Healthy. It ends a hold only if its lease began after " +
		"the hold did.",
	"H2": "A held lane yields no jobs, except one job as a probe when the hold's time " +
		"has passed. The hold keeps its beginning and then lasts as long as the " +
		"probe's lease, renewals included, so that there is never a second probe. A " +
		"probe that is released, nacked without being counted, dead-lettered or " +
		"replaced makes the hold due again, after the Nack's delay. Leases that run " +
		"when a hold begins go on.",
	"H3": "A hold is a duration by the store's clock, at most MaxHold. Holds counts the " +
		"holds since the last Ack. A SetLane whose Since was leased before the current " +
		"hold began changes nothing and returns nil, so that attempts that fail late " +
		"do not lengthen a hold; a failed probe is its own Since.",
	"H4": "SetLane with Failing is refused with ErrLaneHealthy if a job of the lane that " +
		"was leased after Since has been acked.",
	"H5": "Lanes take turns in three rings, Untried, Healthy and Failing, each up to its " +
		"limit in Want; Receives begin with each ring in turn. A held lane is in none " +
		"of them and costs a Receive nothing. Holds that are due yield their probes " +
		"like delayed jobs, earliest first, within MaxFailing.",
	"H6": "A store keeps a lane's state for a day after the lane's last job left (in " +
		"memory: of at most 100,000 lanes). A Durable store with SharedLanes keeps it " +
		"over restarts.",
	"H7": "Failing lanes, held or not, share at most half of a bounded store, in jobs " +
		"and in bytes. Beyond that their jobs are refused with ErrLaneFailing. A store may keep a part of " +
		"itself for Healthy lanes, and refuse jobs of Untried lanes with ErrLaneUntried.",
	"H8": "In a lane, jobs that came back (after a Nack or a lease that ended) go before " +
		"jobs that were never worked on. A probe is taken from the latter first, so " +
		"that one bad job cannot keep a working endpoint held. Ordered lanes keep " +
		"their order in both.",
	"E1": "A nil error means that every job was taken; a Durable queue keeps it then " +
		"even if the process is killed at once.",
	"E2": "A job whose ID is in the queue already (ready, delayed or leased), or was " +
		"acked lately, is taken by doing nothing.",
	"E3": "A *BatchError means that the jobs it names were not taken and all others " +
		"were. Any other error means that it is unknown which were taken; offering all " +
		"of them again is right, because of E2 where the store can tell.",
	"E4": "Jobs of a lane become ready in the order of the slice and of the calls. In an " +
		"Ordered lane no job is taken after one of the same lane was refused in the " +
		"same call.",
	"E5": "A bound on jobs or bytes is kept, by ErrFull, ErrLaneFailing, ErrLaneUntried or ErrTooLarge " +
		"for the jobs that do not fit.",
	"R1": "It returns as soon as at least one job fits, with as many as fit and are " +
		"ready then.",
	"R2": "It never returns a job beyond w's limits, nor one that is leased or delayed, " +
		"or of a held lane unless it is the probe.",
	"R3": "Lanes take turns: a lane with a backlog does not keep the jobs of another " +
		"waiting.",
	"R4": "When ctx ends it returns soon, with what it has leased (and a nil error) or " +
		"with nothing and ctx's error. It never leaves a lease behind that nobody was " +
		"told of, where the store allows it.",
	"R5": "In a lane of Ordered jobs at most one job is leased or delayed at a time, and " +
		"it is the oldest.",
	"R6": "A job that becomes ready while Receive waits (Enqueue, Nack, a delay, hold or " +
		"lease that ends) is returned at once by an in-process queue, and within a " +
		"second by any other.",
	"L1": "A leased job is not received by anybody until Until has passed.",
	"L2": "Extend, Ack, Nack, Release, Replace and DeadLetter with a receipt that is not " +
		"current fail with ErrLeaseLost for that job (in a *BatchError where several " +
		"are given) and change nothing.",
	"L3": "A lease that ends unsettled makes the job ready again, with Attempts one " +
		"higher and First set.",
	"A1": "An acked job is never received again, and its ID is remembered for a while " +
		"(E2).",
	"N1": "The job is not received before Delay has passed, and then it is. A Delay of " +
		"more than a year counts as a year.",
	"N2": "A counted Nack adds one to Attempts and sets First if it was zero; one that " +
		"is not counted changes neither.",
	"N3": "The job is as it was before it was received, at the head of its lane: before " +
		"the others that came back if it had, else before the others that were never " +
		"worked on (H8). Jobs of one call keep their order.",
	"P1": "It is one step where the store allows it. Otherwise the jobs are enqueued " +
		"before l is acked, so that nothing is lost in between. Jobs whose ID is known " +
		"are not taken again (E2).",
	"P2": "The jobs have the First and the Age of the job they replace, and no Attempts.",
	"D1": "The job is never received again (unless somebody replays it), and is listed " +
		"with its reason where the driver implements DeadLetters. " +
		"The reason is one line of UTF-8 of at most 1 KiB; an emitter gives no other, and a driver may cut others.",
	"D2": "Dead letters are bounded in number and age. The oldest are evicted, and " +
		"Stats.DeadDropped counts them.",
	"C1": "A Receive that waits returns ErrClosed soon, and so does every method " +
		"afterwards. Closing twice is harmless.",
	"D3": "A replay is a new job, the one given: the last of its lane, with no Attempts, " +
		"a zero First and a new Age. The dead letter is gone. Both happen in one step " +
		"where the store allows it.",
	"D4": "Replay and Discard skip an ID that is not there, and return how many were.",
}
