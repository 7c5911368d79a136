package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"golang.org/x/sync/errgroup"

	"github.com/pushhooks/webhook/internal/flatqueue"
	"github.com/pushhooks/webhook/queue"
)

// outgoing is a job on its way to SQS, with its place in the caller's slice.
type outgoing struct {
	encoded
	index int
}

// sender is one Send under way.
type sender struct {
	*store
	errs []error // of each job
}

// errNotSent is the error of a job that was not sent because an earlier call had failed.
var errNotSent = errors.New("sqsqueue: the message was not sent")

// Send sends jobs in batches of ten and of at most 1 MiB, several batches at a time; on a FIFO
// queue the jobs of one lane stay in order.
func (s *store) Send(ctx context.Context, jobs []flatqueue.Job) ([]error, error) {
	sender := sender{store: s, errs: make([]error, len(jobs))}
	chains := sender.plan(jobs)
	var group errgroup.Group
	group.SetLimit(concurrentCalls)
	for _, chain := range chains {
		group.Go(func() error { return sender.sendChain(ctx, chain) })
	}
	err := group.Wait()
	return sender.errs, err
}

// plan cuts the jobs into batches, without those that SQS cannot take. The batches of a chain are
// sent one after the other, the chains at the same time.
func (s *sender) plan(jobs []flatqueue.Job) (chains [][][]outgoing) {
	charset := s.charset()
	byChain := make(map[uint32][]outgoing)
	for i, job := range jobs {
		e := encode(job.Job, charset)
		e.setTime(attrFirst, job.First)
		e.setTime(attrEnqueued, job.Enqueued)
		chain := s.chainOf(job.Lane)
		byChain[chain] = append(byChain[chain], outgoing{encoded: e, index: i})
		s.errs[i] = errNotSent
	}
	for _, jobs := range byChain {
		batches := s.cut(jobs)
		if s.opts.FIFO {
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
func (s *store) chainOf(lane string) uint32 {
	if !s.opts.FIFO {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(lane))
	return h.Sum32() % concurrentCalls
}

// cut makes batches of at most ten jobs and maxBytes. A batch has at most one job of
// an ordered lane, because SQS may refuse one entry and take the next (rule E4).
func (s *sender) cut(jobs []outgoing) (batches [][]outgoing) {
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
func (s *sender) refusal(job outgoing, refused map[string]bool) error {
	lane := job.job.Lane
	if job.job.Ordered && refused[lane] {
		return errBehind(job.job)
	}
	if limit := s.maxSize - deadRoom; job.size > limit {
		refused[lane] = true
		return fmt.Errorf("sqsqueue: job %s has %d bytes, the queue takes %d: %w", job.job.ID, job.size, limit, queue.ErrTooLarge)
	}
	return nil
}

func errBehind(job queue.Job) error {
	return fmt.Errorf("sqsqueue: job %s was not sent, because an earlier one of its ordered lane was refused", job.ID)
}

// sendChain sends batches in turn until a call fails.
func (s *sender) sendChain(ctx context.Context, chain [][]outgoing) error {
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

func (s *sender) withoutRefused(batch []outgoing, refused map[string]bool) (kept []outgoing) {
	for _, job := range batch {
		if job.job.Ordered && refused[job.job.Lane] {
			s.errs[job.index] = errBehind(job.job)
			continue
		}
		kept = append(kept, job)
	}
	return kept
}

// sendBatch sends a batch and notes what became of each job.
func (s *sender) sendBatch(ctx context.Context, batch []outgoing) error {
	messages := make([]*transmission, len(batch))
	for i := range batch {
		messages[i] = s.transmission(&batch[i].encoded)
	}
	err := s.transmit(ctx, s.url, messages)
	for i, m := range messages {
		s.errs[batch[i].index] = m.err
	}
	if err != nil {
		return fmt.Errorf("sqsqueue: send %d messages: %w", len(batch), err)
	}
	return nil
}

// transmission makes the lane the message's group, on standard queues too, where SQS then
// deals fairly between the groups. On a FIFO queue, which returns nothing of a group while
// some of it is in flight, each job of a lane that isn't ordered is a group of its own.
func (s *store) transmission(e *encoded) *transmission {
	m := &transmission{encoded: e}
	if s.opts.NoMessageGroups {
		return m
	}
	group := token(e.job.Lane)
	if s.opts.FIFO {
		id := token(e.job.ID)
		m.deduplication = &id
		if !e.job.Ordered {
			group = id
		}
	}
	m.group = &group
	return m
}
