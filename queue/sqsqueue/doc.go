// Package sqsqueue keeps jobs in an Amazon SQS queue, standard or FIFO.
//
//	client, err := sqsqueue.NewClient(ctx, "eu-west-1", "")
//	q, err := sqsqueue.New(ctx, client, sqsqueue.Options{Name: "webhooks"})
//
// A job is one message. Its body is the job's Data, which people can read; id and lane are message
// attributes. Where Data has a character that SQS refuses, the body has it and every % as %XX, and
// the attribute "encoding" says so. An emulator that refuses characters beyond U+FFFF, such as
// emoji, gets these escaped too.
//
// New reads the queue's MaximumMessageSize, and the dead-letter queue's. Traits.MaxJobBytes is the
// lower one less 4,096 bytes for attributes. A smaller job is refused with queue.ErrTooLarge if
// escapes make it larger than that, or if the limit was lowered meanwhile.
//
// # Guarantees
//
// SQS keeps what Enqueue accepted until it is acked, dead-lettered or older than the queue's
// retention period. A job is delivered at least once:
//
//   - A killed process: what it held is visible to the others when the visibility timeout has
//     passed.
//   - A failed attempt is left to what remains of the visibility timeout, or to the delay asked for
//     if that is longer. With RetryBackoff it is always the delay.
//   - A job enqueued twice: a FIFO queue drops the second for 5 minutes, whichever process sent it.
//     On a standard queue only the process that sent or received the first can tell.
//   - Copies that SQS makes, or that an ack which failed leaves behind: a process deletes a copy of
//     a job that it has settled or holds, and remembers at least the last 50,000. It cannot know of
//     those of other processes.
//
// # Lanes
//
// SQS knows no lanes. Each process keeps them, and their health and holds, in its memory
// (queue.Traits.SharedLanes is false), so each process and each restart learns by itself which
// endpoints work. LaneLister lists what this process knows: LaneInfo.Ready counts the jobs that are
// parked here, and what else SQS has of a lane is unknown.
//
// SQS cannot skip a lane either: it returns what it likes. What is received and not wanted yet,
// such as the jobs of a held lane, is parked: this process extends its visibility timeout, so that
// it burns no receive, until it is wanted, and only while this process goes on receiving. A
// released job is parked again. After six minutes, a little more than a hold can last, a parked job
// is visible to all for a moment: another process may reach an endpoint that this one cannot reach.
//
// ParkedJobs and ParkedBytes bound the park. So that the backlog of one endpoint cannot fill it,
// what has waited for 20 ms and is more than its lane's share is left to SQS, with a visibility
// timeout as long as the job is old: at least a second and at most a minute, or 5 minutes if its
// lane fails, and at least for the rest of its lane's hold. All failing lanes together have half of
// the park, and one of them no more than is left of that half; any other lane has no more than is
// left of seven eighths. So a process goes on receiving whatever an endpoint does. A job that is
// left to SQS waits at most twice as long as it would have, and is received about 20 times in an
// hour.
//
// A job that is nacked with a delay, such as one of an app that this process does not know, is left
// to SQS for the delay, and any process can have it afterwards.
//
// Receive calls run while some Receive waits. One that is under way when nobody waits any more
// brings jobs that are parked for the next. Close gives parked jobs back and cuts such a call
// short; SQS may have given it messages, which are visible again when their timeout has passed.
//
// # Attempts
//
// SQS counts every receive. A process knows which of its own were no attempts (a job that was
// parked, released or left to others), and remembers that of at least 50,000 messages. Another
// process counts all receives in queue.Lease.Attempts, and takes the first of them for Lease.First,
// so it gives up earlier a job that was received often. Lease.Age is the time since the message was
// sent.
//
// # Standard and FIFO
//
// A standard queue has no order, so ordered webhooks are refused with it. There a lane is a message
// group, which turns on fair queues: SQS prefers the messages of other groups to those of one that
// has many in flight. NoMessageGroups leaves the group out, for servers that refuse it.
//
// On a FIFO queue an ordered lane is a message group, and is sent one job a batch so that none
// overtakes one that SQS refused; each job of a lane that is not ordered is a group of its own, so
// that a failed one holds up no other. When an ordered job fails while others of its lane are
// parked here, this process retries it itself; SQS does not count those attempts.
//
// Jobs that replace another are the last of their lane, with its age and first attempt as
// attributes. In an ordered lane they stay in this process, in its place, and the replaced message
// is deleted when all of them are settled. If the process dies before, the replaced job is received
// again, whole.
//
// # Stored format
//
// The attribute "v" is the version of a message's format, 1. A message without it is read as
// version 1, which is what it was before versions were written. A message of a newer version is
// left to other processes: it is not leased, deleted or dead-lettered here, and is received less
// and less, down to once a minute. So is a message of another application, which has no attribute
// "job_id". A Receive that waits reports such a message as an error, once, and at most one such
// message a minute. A message that has the attribute and cannot be read is received as a job of the
// lane "sqs:foreign", which an emitter dead-letters; where there is no dead-letter queue it is left
// alone too. The same holds for messages of the dead-letter queue, which no listing then shows.
//
// # Dead letters
//
// They go to DeadLetterQueueURL, else to the target of the queue's redrive policy, with the reason,
// the attempts and the times as attributes. With neither, a job that is given up is deleted and
// counted in queue.Stats.DeadDropped.
//
// The redrive policy keeps working beside that: SQS moves what was received too often, so its
// maxReceiveCount must exceed the attempts that are wanted and the receives of a job that waits. In
// the first hour those are about 20 while its lane fails, and about 70 while no process knows its
// app.
//
// SQS has no listing. DeadLetters, Replay and Discard receive the dead letters, up to 1,000 at a
// time, and give them back when they have listed them or do not take them. The dead-letter queue's
// retention period is the only bound on their age, and nothing bounds their number.
//
// # Setting up
//
// With Create, New makes a queue that does not exist, and the dead-letter queue <Name>-dead with a
// retention of 7 days and a redrive policy of 100 receives. For a queue that you make yourself:
//
//   - VisibilityTimeout does not matter: every receive sets it.
//   - MessageRetentionPeriod is how long an outage of all workers may last. Jobs have a budget of
//     their own.
//   - DelaySeconds 0; MaximumMessageSize 1,048,576, or less to have larger jobs refused.
//   - RedrivePolicy with a dead-letter queue of the same type, and a maxReceiveCount of 100 or
//     more.
//   - FIFO only: DeduplicationScope messageGroup and FifoThroughputLimit perMessageGroupId for
//     throughput. ContentBasedDeduplication is not used.
//
// SQS allows about 120,000 messages in flight, and refuses to return more beyond that. Messages
// that are parked or left to SQS for a while are in flight, so a backlog of that size for endpoints
// that fail stops receiving.
//
// The permissions are sqs:SendMessage, sqs:ReceiveMessage, sqs:DeleteMessage,
// sqs:ChangeMessageVisibility, sqs:GetQueueAttributes and sqs:GetQueueUrl on the queue and on its
// dead-letter queue; with Create also sqs:CreateQueue and sqs:SetQueueAttributes. A queue with a
// KMS key needs kms:GenerateDataKey and kms:Decrypt.
package sqsqueue
