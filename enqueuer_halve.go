package webhook

import (
	"errors"

	"github.com/pushhooks/webhook/queue"
)

// halveTooLarge returns the halves of those batches that the queue has refused for their size and
// that have several events. The webhook's next batches are smaller.
func (q *enqueuer) halveTooLarge(batches []*batch, result error) map[*batch][]*batch {
	if !errors.Is(result, queue.ErrTooLarge) {
		return nil
	}
	halves := make(map[*batch][]*batch)
	for i, b := range batches {
		if b.events > 1 && errors.Is(queue.ErrorOf(result, i), queue.ErrTooLarge) {
			halves[b] = q.halve(b)
		}
	}
	return halves
}

// halve returns two batches that have the events of b.
func (q *enqueuer) halve(b *batch) []*batch {
	j, err := parseJob(b.job.Data)
	if err != nil {
		return nil // never: pack has made it
	}
	jobs, ok := halve(j, b.job, q.keyOf(b))
	if !ok {
		return nil
	}
	b.hook.slot.refuse(len(j.body))
	first := b.events / 2
	parts := []*batch{{events: first}, {events: b.events - first}}
	for i, part := range parts {
		part.hook, part.timeMS, part.sealedMS, part.job = b.hook, b.timeMS, b.sealedMS, jobs[i]
		part.size = int64(cap(part.job.Data)) + batchOverhead
	}
	for _, r := range b.receipts {
		if r.event < first {
			parts[0].receipts = append(parts[0].receipts, r)
			continue
		}
		r.event -= first
		parts[1].receipts = append(parts[1].receipts, r)
	}
	return parts
}
