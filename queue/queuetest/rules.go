package queuetest

// rules are the rules of package queue, word by word as they stand in queue.go.
var rules = map[string]string{
	"E1": "A nil error means that every job was taken; a Durable queue keeps it then even if the process is " +
		"killed at once.",
	"E2": "A job whose ID is in the queue already (ready, delayed or leased), or was acked lately, is taken by " +
		"doing nothing.",
	"E3": "A *BatchError means that the jobs it names were not taken and all others were. Any other error means " +
		"that it is unknown which were taken; offering all of them again is right, because of E2 where the " +
		"store can tell.",
	"E4": "Jobs of a lane become ready in the order of the slice and of the calls. In an Ordered lane no job is " +
		"taken after one of the same lane was refused in the same call.",
	"E5": "A bound on jobs or bytes is kept, by ErrFull or ErrTooLarge for the jobs that do not fit.",
	"R1": "It returns as soon as at least one job fits, with as many as fit and are ready then.",
	"R2": "It never returns a job beyond w's limits (see Want.Of), nor one that is leased or delayed.",
	"R3": "Lanes take turns: a lane with a backlog does not keep the jobs of another waiting.",
	"R4": "When ctx ends it returns soon, with what it has leased (and a nil error) or with nothing and ctx's " +
		"error. It never leaves a lease behind that nobody was told of, where the store allows it.",
	"R5": "In a lane of Ordered jobs at most one job is leased or delayed at a time, and it is the oldest.",
	"R6": "A job that becomes ready while Receive waits (Enqueue, Nack, a delay or lease that ends) is returned " +
		"at once by an in-process queue, and within a second by any other.",
	"L1": "A leased job is not received by anybody until Until has passed.",
	"L2": "Extend, Ack, Nack, Replace and DeadLetter with a receipt that is not current fail with ErrLeaseLost " +
		"for that job (in a *BatchError where several are given) and change nothing.",
	"L3": "A lease that ends unsettled makes the job ready again, with Attempts one higher and First set.",
	"A1": "An acked job is never received again, and its ID is remembered for a while (E2).",
	"N1": "The job is not received before Delay has passed, and then it is.",
	"N2": "A counted Nack adds one to Attempts; one that is counted or delayed sets First if it was zero.",
	"N3": "A release (no Delay, not Counted) changes neither Attempts nor First, and the job is the next of its " +
		"lane.",
	"P1": "It is one step where the store allows it. Otherwise the jobs are enqueued before l is acked, so that " +
		"nothing is lost in between. Jobs whose ID is known are not taken again (E2).",
	"D1": "The job is never received again (unless somebody replays it), and is listed with its reason where " +
		"the driver implements DeadLetters.",
	"D2": "Dead letters are bounded in number and age. The oldest give way, and Stats.DeadDropped counts them.",
	"C1": "A Receive that waits returns ErrClosed soon, and so does every method afterwards. Closing twice is " +
		"harmless.",
	"D3": "A replayed job is a new job: its Job.ID becomes ReplayID of the old one, Attempts is 0, First is " +
		"zero, and it is the last of its lane. The dead letter is gone. Both happen in one step where the " +
		"store allows it.",
	"D4": "Replay and Discard skip an ID that is not there, and return how many were.",
}
