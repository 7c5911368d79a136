package redisqueue

import (
	"context"
	"slices"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// look is one attempt of a Receive to get jobs. It asks the partitions side by side. What the Want
// allows is divided among those that may have jobs; where one has used up its share and has more,
// what is left is divided again.
type look struct {
	q      *Queue
	want   queue.Want
	left   queue.Want // what may still be received
	parts  []lookPart
	turn   uint64 // counts looks
	rounds int
	leases []queue.Lease
}

// lookPart is what a look knows of a partition.
type lookPart struct {
	named []laneLimit // the lanes that the Want names
	done  rings       // that have given what they may
	asked bool
	ready bool // it may have had jobs when the look began
}

// answer is what a call has brought.
type answer struct {
	call   *call
	leases []queue.Lease
}

func (q *Queue) newLook(w *queue.Want) *look {
	l := &look{q: q, want: *w, left: *w, turn: q.turn.Add(1), parts: make([]lookPart, len(q.parts))}
	for name := range w.Lanes {
		part := &l.parts[q.ofLane(name)]
		part.named = append(part.named, laneLimit{name, w.Limit(name)})
	}
	return l
}

// round asks the partitions that may have jobs, and reports whether to go on.
func (l *look) round(ctx context.Context) (more bool) {
	if l.left.Max <= 0 || ctx.Err() != nil {
		return false
	}
	calls := l.divide(l.calls(time.Now()))
	if len(calls) == 0 {
		return false
	}
	answers := make(chan answer, len(calls))
	for i := range calls {
		if l.q.begin() != nil {
			return false
		}
		c := &calls[i]
		l.parts[c.p.number].asked, c.flight = true, &flight{}
		l.q.crew.run(func() {
			defer l.q.work.Done()
			answers <- answer{c, l.q.take(ctx, c)}
		})
	}
	return l.collect(ctx, calls, answers)
}

// calls returns the partitions to ask, beginning with another one each time. Once there are jobs,
// it is only those that were ready at first: others can wait for the next Receive.
func (l *look) calls(now time.Time) []call {
	n := len(l.parts)
	calls := make([]call, 0, n)
	first := int(l.turn%uint64(n)) + l.rounds
	for k := range n {
		p := l.q.parts[(first+k)%n]
		part := &l.parts[p.number]
		if len(l.leases) > 0 && !part.ready {
			continue
		}
		open, known := p.mayGive(now, part.asked)
		part.ready = part.ready || open != 0 || !known
		open &= allowed(&l.left) &^ part.done
		if open != 0 || !known {
			calls = append(calls, call{p: p, open: open, known: known})
		}
	}
	l.rounds++
	return calls
}

// divide divides what is left among the calls, beginning with the first one, and drops those that
// get nothing. A partition of which it is not known what it has is looked at nevertheless.
func (l *look) divide(calls []call) []call {
	var in [3]int
	for i := range calls {
		for h := range in {
			in[h] += has(calls[i].open, queue.Health(h))
		}
	}
	untried := divider{l.left.MaxUntried, in[queue.Untried]}
	failing := divider{l.left.MaxFailing, in[queue.Failing]}
	useful := calls[:0]
	for i := range calls {
		c := calls[i]
		if has(c.open, queue.Untried) > 0 {
			c.MaxUntried = untried.next()
		}
		if has(c.open, queue.Failing) > 0 {
			c.MaxFailing = failing.next()
		}
		if !c.known || has(c.open, queue.Healthy) > 0 || c.MaxUntried > 0 || c.MaxFailing > 0 {
			useful = append(useful, c)
		}
	}
	all := divider{l.left.Max, len(useful)}
	for i := range useful {
		c := &useful[i]
		c.Max, c.MaxPerLane = all.next(), l.want.MaxPerLane
		c.named, c.bytes = l.limits(c.p), l.q.budget(c.p, len(useful))
		// another one for each partition, too
		c.ring = int64((l.turn + l.turn/uint64(len(l.q.parts))) % 3)
	}
	return slices.DeleteFunc(useful, func(c call) bool { return c.known && c.Max == 0 })
}

// divider divides a number into n parts that are equal but for one.
type divider struct{ rest, n int }

func (d *divider) next() int {
	part := (d.rest + d.n - 1) / d.n
	d.rest, d.n = d.rest-part, d.n-1
	return part
}

// limits returns the lanes of p whose limits are below the Want's for all lanes, after what was
// received.
func (l *look) limits(p *partition) []laneLimit {
	if len(l.leases) == 0 {
		return l.parts[p.number].named
	}
	got := make(map[string]int)
	for i := range l.leases {
		if lane := l.leases[i].Lane; l.q.ofLane(lane) == p.number {
			got[lane]++
		}
	}
	var named []laneLimit
	for _, n := range l.parts[p.number].named {
		if got[n.name] == 0 {
			named = append(named, n)
		}
	}
	for name, n := range got {
		named = append(named, laneLimit{name, max(0, l.want.Limit(name)-n)})
	}
	return named
}

// collect waits for answers, and reports whether all have come. What comes later is kept for the
// next Receive.
func (l *look) collect(ctx context.Context, calls []call, answers chan answer) (all bool) {
	patience := time.NewTimer(patienceWith(calls))
	defer patience.Stop()
	ended := ctx.Done()
	for n := len(calls); n > 0; {
		select {
		case a := <-answers:
			a.call.answered = true
			l.add(a)
			n--
		case <-ended:
			ended = nil
			patience.Reset(takeGrace)
		case <-patience.C:
			l.q.leave(calls, answers)
			return false
		case <-l.q.life.Done():
			l.q.leave(calls, answers)
			return false
		}
	}
	return true
}

// patienceWith is how long a Receive waits for these calls, while others may have jobs.
func patienceWith(calls []call) time.Duration {
	d := probeTimeout
	for i := range calls {
		d = max(d, 2*calls[i].p.roundTrip())
	}
	return d
}

// add takes what a call has brought.
func (l *look) add(a answer) {
	var got [3]int
	for i := range a.leases {
		lease := &a.leases[i]
		got[healthOf(lease)]++
		l.left = without(l.left, lease)
	}
	if l.leases = append(l.leases, a.leases...); len(a.leases) >= a.call.Max {
		return
	}
	done := &l.parts[a.call.p.number].done
	*done |= ring(queue.Healthy)
	if got[queue.Untried] < a.call.MaxUntried {
		*done |= ring(queue.Untried)
	}
	if got[queue.Failing] < a.call.MaxFailing {
		*done |= ring(queue.Failing)
	}
}

// healthOf returns the health that a lease counts for.
func healthOf(l *queue.Lease) queue.Health {
	if l.Probe {
		return queue.Failing
	}
	return l.Health
}

// without returns what is left of w after a lease.
func without(w queue.Want, l *queue.Lease) queue.Want {
	w.Max--
	switch healthOf(l) {
	case queue.Failing:
		w.MaxFailing--
	case queue.Untried:
		w.MaxUntried--
	}
	return w
}

// allowed returns the rings that w allows jobs of.
func allowed(w *queue.Want) rings {
	if w.Max <= 0 {
		return 0
	}
	open := ring(queue.Healthy)
	if w.MaxUntried > 0 {
		open |= ring(queue.Untried)
	}
	if w.MaxFailing > 0 {
		open |= ring(queue.Failing)
	}
	return open
}

// has returns 1 if the rings hold that of a health, else 0.
func has(r rings, h queue.Health) int { return int(r >> h & 1) }
