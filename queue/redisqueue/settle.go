package redisqueue

import (
	"context"
	"fmt"
	"slices"

	"github.com/pushhooks/webhook/queue"
)

// Extend renews leases. With AtMostOnce there are none, and it does nothing.
func (q *Queue) Extend(ctx context.Context, leases []queue.Lease) error {
	return q.settle(ctx, leases, extendScript, func(leases []queue.Lease, chunk []int) []any {
		args := []any{q.opts.Lease.Microseconds()}
		for _, i := range chunk {
			args = append(args, leases[i].ID, leases[i].Receipt)
		}
		return args
	})
}

// Ack settles delivered jobs, in one round trip per partition. With AtMostOnce it does nothing.
func (q *Queue) Ack(ctx context.Context, leases []queue.Lease) error {
	return q.settle(ctx, leases, ackScript, func(leases []queue.Lease, chunk []int) []any {
		args := append(make([]any, 0, 4+2*len(chunk)), q.marking()...)
		args = append(args, 0, len(chunk))
		size, ordered := 0, []any(nil)
		for _, i := range chunk {
			l := &leases[i]
			r := readReceipt(l.Receipt)
			size += r.size
			args = append(args, l.ID, l.Receipt)
			if r.ordered {
				ordered = append(ordered, l.ID, r.lane(l.Lane))
			}
		}
		args[2] = size
		return append(args, ordered...)
	})
}

// marking is what scripts need to know to remember the IDs of acked jobs.
func (q *Queue) marking() []any {
	return []any{q.opts.MarkerTTL.Microseconds(), q.opts.MaxMarkers}
}

// settle runs a script on leases that returns the indexes of those that are not current. args makes its arguments.
func (q *Queue) settle(ctx context.Context, leases []queue.Lease, s *script, args func(leases []queue.Lease, chunk []int) []any) error {
	if q.opts.AtMostOnce {
		return q.alive()
	}
	leases = slices.Clone(leases)
	return q.spread(ctx, len(leases), func(i int) string { return leases[i].Lane },
		func(p *partition, indexes []int, v *verdicts) {
			v.chunks(indexes, func(chunk []int) error {
				return q.fence(ctx, s, p, args(leases, chunk), chunk, v)
			})
			if slices.ContainsFunc(indexes, func(i int) bool { return leases[i].Ordered }) {
				p.wake() // the next job of an ordered lane
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
			defer p.wake()
			if q.opts.AtMostOnce {
				q.putBack(ctx, p, nacks, indexes, v)
				return
			}
			v.chunks(indexes, func(chunk []int) error {
				var args []any
				for _, i := range chunk {
					n := &nacks[i]
					args = append(args, n.ID, n.Receipt, readReceipt(n.Receipt).lane(n.Lane), max(0, n.Delay.Microseconds()), flag(n.Counted))
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
			n.ID, n.Receipt, laneKey(n.Lane, n.Ordered), n.Data, max(0, n.Delay.Microseconds()), n.Attempts, micros(n.First),
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

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Replace settles l and puts jobs at the head of its lane, in one step.
func (q *Queue) Replace(ctx context.Context, l queue.Lease, jobs []queue.Job) error {
	r := readReceipt(l.Receipt)
	args := append(q.marking(), l.ID, l.Receipt, r.size, r.lane(l.Lane), flag(q.opts.AtMostOnce))
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
	defer p.wake()
	return await(ctx, q, func() (any, error) { return q.eval(ctx, s, p, args) })
}
