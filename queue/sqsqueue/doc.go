// Package sqsqueue keeps jobs in an Amazon SQS queue, standard or FIFO.
//
//	client, err := sqsqueue.NewClient(ctx, "eu-west-1", "")
//	q, err := sqsqueue.New(ctx, client, sqsqueue.Options{Name: "webhooks"})
//
// A job is one message. Its body is the job's Data, which people can read; id and lane are message
// attributes. Where Data has a character that SQS refuses, the body has it as %XX and the attribute
// "encoding" says so.
//
// # Guarantees
//
// What Enqueue accepted is kept by SQS until it is acked, dead-lettered or older than the queue's
// retention period. A job is delivered at least once:
//
//   - A killed process: what it held is visible to the others when the visibility timeout has passed.
//   - A failed attempt is left to what remains of the visibility timeout, or to the delay asked for
//     if that is longer. With RetryBackoff it is always the delay.
//   - A job enqueued twice: a FIFO queue drops the second for 5 minutes, whichever process sent it. On a standard
//     queue only the process that sent or received the first can tell.
//   - Copies that SQS makes, or that an ack which failed leaves behind: a process deletes a copy of a job
//     that it has acked or holds, and remembers at least the last 50,000. It can't know of other processes.
//
// # Lanes
//
// SQS cannot skip lanes. What is received and not wanted yet, such as the jobs of an endpoint whose breaker is
// open, is parked in this process: its visibility timeout is extended, so that it burns no receive, until it is
// wanted, for at most 12 hours, and only while this process goes on receiving. A release parks the job again.
//
// A job that is delayed and not attempted, such as one of an app that this process does not know, is left to SQS for the delay, and
// any process can have it afterwards. While no Receive here wants its lane, whatever else of the lane is here or arrives
// is left to the others too: for a second, and for longer the more often SQS has sent it, up to a minute. SQS counts
// each of these receives: about 30 in 5 minutes. This process does not take them for attempts; another one can't tell.
//
// So the backlog of a dead endpoint fills the park. When ParkedJobs or ParkedBytes is reached this process receives
// nothing more, for any lane, until jobs of that backlog are wanted or give up. Every lane is a message group, which on a
// standard queue turns on fair queues: SQS then prefers the messages of other groups to those of one that has many in
// flight. That delays the point, and more than ParkedJobs jobs waiting for a dead endpoint still reach it. A host
// for which that matters uses another driver, or a larger park.
//
// Receive calls run while some Receive waits. One that is under way when nobody waits any more brings jobs that are
// parked for the next. Close gives parked jobs back and cuts such a call short; SQS may have given it messages, which
// are visible again when their timeout has passed.
//
// # Standard and FIFO
//
// A standard queue has no order, so ordered webhooks are refused with it. On a FIFO queue an ordered lane is a message
// group, and is sent one job a batch so that none overtakes one that SQS refused; each job of a lane that isn't
// ordered is a group of its own, so that a failed one holds up no other. When an ordered job fails while others of
// its lane are parked here, this process retries it itself; SQS does not count those attempts.
//
// Jobs that replace another are the last of their lane; in an ordered lane they stay in this process, in
// its place, and the replaced message is deleted when all of them are settled. If the process dies before, the
// replaced job is received again, whole.
//
// # Dead letters
//
// They go to DeadLetterQueueURL, else to the target of the queue's redrive policy, with the reason, the attempts and
// the times as attributes. The redrive policy keeps working beside that: SQS moves what was received too often, so its
// maxReceiveCount must exceed the attempts that are wanted. SQS counts every receive, also that of a job which was parked
// or delayed and given back, and so do queue.Lease's Attempts in another process. With neither, a job that is given up is deleted and counted in queue.Stats.DeadDropped.
//
// SQS has no listing. DeadLetters, Replay and Discard receive up to 1,000 dead letters and give back what they don't
// take; the dead-letter queue's retention period is the only bound on their age, and nothing bounds their number.
//
// # Setting up
//
// With Create, New makes a queue that does not exist, and the dead-letter queue <Name>-dead with a retention of 7 days and a redrive
// policy of 100 receives. For a queue that you make yourself:
//
//   - VisibilityTimeout does not matter: every receive sets it.
//   - MessageRetentionPeriod is how long an outage of all workers may last. Jobs have a budget of their own.
//   - DelaySeconds 0; MaximumMessageSize 1,048,576, or less to have larger jobs refused.
//   - RedrivePolicy with a dead-letter queue of the same type, and a maxReceiveCount of 50 or more.
//   - FIFO only: DeduplicationScope messageGroup and FifoThroughputLimit perMessageGroupId for throughput.
//     ContentBasedDeduplication is not used.
//
// The permissions are sqs:SendMessage, sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility,
// sqs:GetQueueAttributes and sqs:GetQueueUrl on the queue and on its dead-letter queue; with Create also sqs:CreateQueue and
// sqs:SetQueueAttributes. A queue with a KMS key needs kms:GenerateDataKey and kms:Decrypt.
package sqsqueue
