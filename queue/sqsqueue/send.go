package sqsqueue

import (
	"context"
	"fmt"
	"hash/fnv"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/pushhooks/webhook/queue"
)

// outgoing is a job on its way to SQS, with its place in the caller's slice.
type outgoing struct {
	encoded
	index int
}

// sending is one Enqueue under way.
type sending struct {
	q      *Queue
	errs   []error // of each job
	sameAs []int   // the index of an earlier job with the same ID, or the job's own
}

// Enqueue implements queue.Queue. Jobs travel in batches of ten and of at most 1 MiB, several
// batches at a time; on a FIFO queue the jobs of one lane stay in order.
func (q *Queue) Enqueue(ctx context.Context, jobs []queue.Job) error {
	if q.isClosed() {
		return queue.ErrClosed
	}
	s := sending{q: q, errs: make([]error, len(jobs)), sameAs: make([]int, len(jobs))}
	chains := s.plan(jobs)
	var group errgroup.Group
	group.SetLimit(concurrentCalls)
	for _, chain := range chains {
		group.Go(func() error { return s.sendChain(ctx, chain) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return s.result()
}

// plan leaves out what SQS has or can't take, and cuts the rest into batches. The
// batches of a chain are sent one after the other, the chains at the same time.
func (s *sending) plan(jobs []queue.Job) (chains [][][]outgoing) {
	byChain := make(map[uint32][]outgoing)
	first := make(map[string]int, len(jobs))
	for i, job := range jobs {
		s.sameAs[i] = i
		if same, twice := first[job.ID]; twice {
			s.sameAs[i] = same
			continue
		}
		first[job.ID] = i
		if s.q.wasTaken(job.ID) {
			continue
		}
		chain := s.q.chainOf(job.Lane)
		byChain[chain] = append(byChain[chain], outgoing{encoded: encode(job), index: i})
	}
	for _, jobs := range byChain {
		batches := s.cut(jobs)
		if s.q.opts.FIFO {
			chains = append(chains, batches)
			continue
		}
		for _, batch := range batches {
			chains = append(chains, [][]outgoing{batch})
		}
	}
	return chains
}

// chainOf spreads lanes over chains. A standard queue keeps no order, and so needs one only.
func (q *Queue) chainOf(lane string) uint32 {
	if !q.opts.FIFO {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(lane))
	return h.Sum32() % concurrentCalls
}

// wasTaken tells whether this process knows that the queue has the job, or had it.
func (q *Queue) wasTaken(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.taken.has(id) || q.acked.has(id) || q.park.byJob[id] != nil
}

// cut makes batches of at most ten jobs and maxBytes. A batch has at most one job of
// an ordered lane, because SQS may refuse one entry and take the next (rule E4).
func (s *sending) cut(jobs []outgoing) (batches [][]outgoing) {
	var batch []outgoing
	size, lanes := 0, make(map[string]bool)
	refused := make(map[string]bool)
	for _, job := range jobs {
		if err := s.refusal(job, refused); err != nil {
			s.errs[job.index] = err
			continue
		}
		if len(batch) == maxEntries || size+job.size > maxBytes || job.job.Ordered && lanes[job.job.Lane] {
			batches = append(batches, batch)
			batch, size = nil, 0
			clear(lanes)
		}
		batch = append(batch, job)
		size += job.size
		lanes[job.job.Lane] = true
	}
	if len(batch) > 0 {
		batches = append(batches, batch)
	}
	return batches
}

// refusal is why a job isn't sent: it is too large, or an earlier one of its ordered lane was.
func (s *sending) refusal(job outgoing, refused map[string]bool) error {
	lane := job.job.Lane
	if job.job.Ordered && refused[lane] {
		return errBehind(job.job)
	}
	if limit := s.q.maxSize - deadRoom; job.size > limit {
		refused[lane] = true
		return fmt.Errorf("sqsqueue: job %s has %d bytes, the queue takes %d: %w", job.job.ID, job.size, limit, queue.ErrTooLarge)
	}
	return nil
}

func errBehind(job queue.Job) error {
	return fmt.Errorf("sqsqueue: job %s was not sent, because an earlier one of its ordered lane was refused", job.ID)
}

// sendChain sends batches in turn until a call fails.
func (s *sending) sendChain(ctx context.Context, chain [][]outgoing) error {
	refused := make(map[string]bool)
	for _, batch := range chain {
		batch = s.withoutRefused(batch, refused)
		if len(batch) == 0 {
			continue
		}
		if err := s.sendBatch(ctx, batch); err != nil {
			return err
		}
		for _, job := range batch {
			if s.errs[job.index] != nil {
				refused[job.job.Lane] = true
			}
		}
	}
	return nil
}

func (s *sending) withoutRefused(batch []outgoing, refused map[string]bool) (kept []outgoing) {
	for _, job := range batch {
		if job.job.Ordered && refused[job.job.Lane] {
			s.errs[job.index] = errBehind(job.job)
			continue
		}
		kept = append(kept, job)
	}
	return kept
}

// sendBatch makes one call and notes what became of each entry.
func (s *sending) sendBatch(ctx context.Context, batch []outgoing) error {
	in := &sqs.SendMessageBatchInput{QueueUrl: &s.q.url}
	for i, job := range batch {
		in.Entries = append(in.Entries, s.q.entry(i, job.encoded))
	}
	out, err := s.q.client.SendMessageBatch(ctx, in)
	if err != nil {
		return fmt.Errorf("sqsqueue: send %d messages: %w", len(batch), err)
	}
	errs := make([]error, len(batch))
	setFailed(errs, out.Failed, entryError)
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	for i, job := range batch {
		s.errs[job.index] = errs[i]
		if errs[i] == nil {
			s.q.taken.add(job.job.ID)
		}
	}
	return nil
}

// entry makes the lane the message's group, on standard queues too, where SQS then
// deals fairly between the groups. On a FIFO queue, which returns nothing of a group while
// some of it is in flight, each job of a lane that isn't ordered is a group of its own.
func (q *Queue) entry(i int, e encoded) types.SendMessageBatchRequestEntry {
	group := token(e.job.Lane)
	if q.opts.FIFO && !e.job.Ordered {
		group = token(e.job.ID)
	}
	entry := types.SendMessageBatchRequestEntry{
		Id: entryID(i), MessageBody: &e.body, MessageAttributes: e.attrs, MessageGroupId: &group,
	}
	if q.opts.FIFO {
		id := token(e.job.ID)
		entry.MessageDeduplicationId = &id
	}
	return entry
}

// result is what Enqueue returns after every call was answered.
func (s *sending) result() error {
	var failed *queue.BatchError
	for i := range s.errs {
		if err := s.errs[s.sameAs[i]]; err != nil {
			failed = failed.Fail(i, err)
		}
	}
	return failed.Err()
}
