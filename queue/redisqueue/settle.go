package redisqueue

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pushhooks/webhook/queue"
)

// Extend renews leases. With AtMostOnce there are none, and it does nothing.
func (q *Queue) Extend(ctx context.Context, leases []queue.Lease) error {
	return q.settle(ctx, leases, extendScript, []any{q.opts.Lease.Microseconds()}, func(l *queue.Lease) []any {
		return []any{l.ID, l.Receipt}
	})
}

// Ack settles delivered jobs, in one round trip per partition. With AtMostOnce it does nothing.
func (q *Queue) Ack(ctx context.Context, leases []queue.Lease) error {
	return q.settle(ctx, leases, ackScript, q.marking(), func(l *queue.Lease) []any {
		return []any{l.ID, l.Receipt, leaseLane(l)}
	})
}

// marking is what scripts need to know to remember the IDs of acked jobs.
func (q *Queue) marking() []any {
	return []any{q.opts.MarkerTTL.Microseconds(), q.opts.MaxMarkers}
}

// leaseLane is the name in Redis of the lane of a lease. Its kind is taken from the receipt, which is verified.
func leaseLane(l *queue.Lease) string {
	return laneKey(l.Lane, strings.HasSuffix(l.Receipt, ":o"))
}

// settle runs a script on leases that returns the indexes of those that are not current.
func (q *Queue) settle(ctx context.Context, leases []queue.Lease, s *script, head []any, fields func(*queue.Lease) []any) error {
	if q.opts.AtMostOnce {
		return q.alive()
	}
	leases = slices.Clone(leases)
	return q.spread(ctx, len(leases), func(i int) string { return leases[i].Lane },
		func(p *partition, indexes []int, v *verdicts) {
			v.chunks(indexes, func(chunk []int) error {
				args := slices.Clone(head)
				for _, i := range chunk {
					args = append(args, fields(&leases[i])...)
				}
				return q.fence(ctx, s, p, args, chunk, v)
			})
			if slices.ContainsFunc(indexes, func(i int) bool { return leases[i].Ordered }) {
				p.ready.Store(true) // the next job of an ordered lane
			}
		})
}

// fence runs a script and refuses the jobs whose leases it says are not current.
func (q *Queue) fence(ctx context.Context, s *script, p *partition, args []any, chunk []int, v *verdicts) error {
	answer, err := q.eval(ctx, s, p, args)
	if err != nil {
		return err
	}
	for _, k := range numbers(answer) {
		v.refuse(chunk[k], queue.ErrLeaseLost)
	}
	return nil
}

// Nack gives leased jobs back. With AtMostOnce, a counted Nack does nothing, since the job is gone.
func (q *Queue) Nack(ctx context.Context, nacks []queue.Nack) error {
	nacks = slices.Clone(nacks)
	return q.spread(ctx, len(nacks), func(i int) string { return nacks[i].Lane },
		func(p *partition, indexes []int, v *verdicts) {
			defer p.ready.Store(true)
			if q.opts.AtMostOnce {
				q.putBack(ctx, p, nacks, indexes, v)
				return
			}
			v.chunks(indexes, func(chunk []int) error {
				var args []any
				for _, i := range chunk {
					n := &nacks[i]
					args = append(args, n.ID, n.Receipt, leaseLane(&n.Lease), max(0, n.Delay.Microseconds()), flag(n.Counted))
				}
				return q.fence(ctx, nackScript, p, args, chunk, v)
			})
		})
}

// putBack returns jobs that an at-most-once Receive has removed, the last one first, so that they keep their order.
func (q *Queue) putBack(ctx context.Context, p *partition, nacks []queue.Nack, indexes []int, v *verdicts) {
	for k, i := range slices.Backward(indexes) {
		n := &nacks[i]
		if n.Counted {
			continue
		}
		args := []any{
			n.ID, laneKey(n.Lane, n.Ordered), n.Data, n.Attempts, micros(n.First), receiptTime(n.Receipt), max(0, n.Delay.Microseconds()),
		}
		answer, err := q.eval(ctx, putbackScript, p, args)
		if err != nil {
			v.lose(indexes[:k+1], err)
			return
		}
		if number(answer) == 0 {
			v.refuse(i, queue.ErrLeaseLost)
		}
	}
}

// receiptTime returns when the receipt's lease began, in microseconds.
func receiptTime(receipt string) int {
	cut(&receipt)
	return number(cut(&receipt))
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Replace settles l and puts jobs at the head of its lane, in one step.
func (q *Queue) Replace(ctx context.Context, l queue.Lease, jobs []queue.Job) error {
	args := append(q.marking(), l.ID, l.Receipt, leaseLane(&l), flag(q.opts.AtMostOnce))
	for i := range jobs {
		if jobs[i].Lane != l.Lane {
			return fmt.Errorf("redisqueue: Replace: job %q is of lane %q: it must be of lane %q", jobs[i].ID, jobs[i].Lane, l.Lane)
		}
		args = append(args, jobs[i].ID, jobs[i].Data)
	}
	answer, err := q.ask(ctx, replaceScript, l.Lane, args)
	if err == nil && number(answer) == 0 {
		err = queue.ErrLeaseLost
	}
	return err
}

// ask runs a script on the partition of a lane.
func (q *Queue) ask(ctx context.Context, s *script, lane string, args []any) (any, error) {
	p := q.parts[q.ofLane(lane)]
	defer p.ready.Store(true)
	return await(ctx, q, func() (any, error) { return q.eval(ctx, s, p, args) })
}
