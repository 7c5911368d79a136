package redisqueue

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/pushhooks/webhook/internal/limits"
	"github.com/pushhooks/webhook/queue"
)

// Extend renews leases. With AtMostOnce there are none, and it does nothing.
func (q *Queue) Extend(ctx context.Context, leases []queue.Lease) error {
	return q.settle(ctx, leases, extendScript, []any{q.opts.Lease.Microseconds()})
}

// Ack settles delivered jobs, in one round trip per partition. With AtMostOnce they are settled
// already, and Ack changes only lanes that are not healthy.
func (q *Queue) Ack(ctx context.Context, leases []queue.Lease) error {
	if q.opts.AtMostOnce {
		return q.ackOnce(ctx, leases)
	}
	return q.settle(ctx, leases, ackScript, q.markerArgs())
}

// Release gives leases back unused.
func (q *Queue) Release(ctx context.Context, leases []queue.Lease) error {
	if q.opts.AtMostOnce {
		nacks := make([]queue.Nack, len(leases))
		for i := range leases {
			nacks[i].Lease = leases[i]
		}
		return q.putBack(ctx, nacks)
	}
	return q.settle(ctx, leases, releaseScript, nil)
}

// markerArgs is what scripts need to know to remember the IDs of acked jobs.
func (q *Queue) markerArgs() []any {
	return []any{q.opts.MarkerTTL.Microseconds(), q.opts.MaxMarkers}
}

// settle runs a script on leases that returns the indexes of those that are not current.
func (q *Queue) settle(ctx context.Context, leases []queue.Lease, s *script, head []any) error {
	if q.opts.AtMostOnce {
		return q.alive()
	}
	timers := make([]string, len(leases))
	moves := s == releaseScript
	for i := range leases {
		l := &leases[i]
		timers[i] = timer(l)
		moves = moves || l.Ordered || s == ackScript && healthOf(l) != queue.Healthy
	}
	return q.spread(ctx, len(leases), func(i int) string { return leases[i].Lane },
		func(p *partition, indexes []int, v *results) {
			v.chunks(ctx, indexes, func(chunk []int) error {
				args := slices.Clone(head)
				for _, i := range chunk {
					args = append(args, timers[i])
				}
				return q.runFenced(ctx, s, p, args, chunk, v)
			})
			if moves {
				// its lanes may have entered another ring, such as that of an ordered one's next
				// job
				p.wake()
			}
		})
}

// runFenced runs a script and refuses the jobs whose leases it says are not current.
func (q *Queue) runFenced(ctx context.Context, s *script, p *partition, args []any, chunk []int, v *results) error {
	answer, err := q.eval(ctx, s, p, args)
	if err != nil {
		return err
	}
	for _, k := range numbers(answer) {
		v.refuse(chunk[k], queue.ErrLeaseLost)
	}
	return nil
}

// ackOnce tells Redis which lanes work that it does not know to be healthy.
func (q *Queue) ackOnce(ctx context.Context, leases []queue.Lease) error {
	leases = slices.DeleteFunc(slices.Clone(leases), func(l queue.Lease) bool {
		return l.Health == queue.Healthy && !l.Probe
	})
	return q.spread(ctx, len(leases), func(i int) string { return leases[i].Lane },
		func(p *partition, indexes []int, v *results) {
			v.chunks(ctx, indexes, func(chunk []int) error {
				var args []any
				for _, i := range chunk {
					args = append(args, leases[i].Lane, began(&leases[i]))
				}
				_, err := q.eval(ctx, ackOnceScript, p, args)
				return err
			})
		})
}

// Nack gives leased jobs back. With AtMostOnce, a counted Nack does nothing, since the job is gone.
func (q *Queue) Nack(ctx context.Context, nacks []queue.Nack) error {
	if q.opts.AtMostOnce {
		return q.putBack(ctx, nacks)
	}
	nacks = slices.Clone(nacks)
	return q.spread(ctx, len(nacks), func(i int) string { return nacks[i].Lane },
		func(p *partition, indexes []int, v *results) {
			defer p.wake()
			var worked, unused []int
			for _, i := range indexes {
				if nacks[i].Delay <= 0 && !nacks[i].Counted {
					unused = append(unused, i)
				} else {
					worked = append(worked, i)
				}
			}
			v.chunks(ctx, worked, func(chunk []int) error {
				var args []any
				for _, i := range chunk {
					n := &nacks[i]
					args = append(args, timer(&n.Lease), delay(n), flag(n.Counted))
				}
				return q.runFenced(ctx, nackScript, p, args, chunk, v)
			})
			v.chunks(ctx, unused, func(chunk []int) error {
				var args []any
				for _, i := range chunk {
					args = append(args, timer(&nacks[i].Lease))
				}
				return q.runFenced(ctx, releaseScript, p, args, chunk, v)
			})
		})
}

// delay returns a Nack's delay as the scripts take it.
func delay(n *queue.Nack) int64 { return max(0, min(n.Delay, limits.Delay)).Microseconds() }

// putBack returns jobs that an at-most-once Receive has removed, the last one first, so that they
// keep their order.
func (q *Queue) putBack(ctx context.Context, nacks []queue.Nack) error {
	nacks = slices.Clone(nacks)
	return q.spread(ctx, len(nacks), func(i int) string { return nacks[i].Lane },
		func(p *partition, indexes []int, v *results) {
			defer p.wake()
			for k, i := range slices.Backward(indexes) {
				n := &nacks[i]
				if n.Counted {
					continue
				}
				if len(n.Receipt) < receiptHead {
					v.refuse(i, queue.ErrLeaseLost)
					continue
				}
				args := []any{timer(&n.Lease), n.Data, delay(n)}
				answer, err := q.eval(ctx, putbackScript, p, args)
				if err != nil {
					v.fail(indexes[:k+1], err)
					return
				}
				if number(answer) == 0 {
					v.refuse(i, queue.ErrLeaseLost)
				}
			}
		})
}

// Replace settles l and puts jobs at the head of its lane, in one step.
func (q *Queue) Replace(ctx context.Context, l queue.Lease, jobs []queue.Job) error {
	if len(l.Receipt) < receiptHead {
		return queue.ErrLeaseLost
	}
	args := append(q.markerArgs(), timer(&l), flag(q.opts.AtMostOnce))
	for i := range jobs {
		j := &jobs[i]
		switch {
		case j.Lane != l.Lane:
			return fmt.Errorf("redisqueue: Replace: job %q is of lane %q: it must be of lane %q", j.ID, j.Lane, l.Lane)
		case len(j.Data) > q.opts.MaxJobBytes:
			return fmt.Errorf("redisqueue: Replace: job %q: %w", j.ID, queue.ErrTooLarge)
		}
		args = append(args, j.ID, sizeText(len(j.Data)), j.Data)
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

// newToken returns a token that no other call has, in tokenSize characters.
func (q *Queue) newToken() string {
	n := strconv.FormatUint(q.calls.Add(1), 36)
	return q.name + "00000000"[min(8, len(n)):] + n
}
