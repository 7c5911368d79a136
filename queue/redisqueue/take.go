package redisqueue

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/pushhooks/webhook/queue"
)

const (
	// minTimeout is how long Redis has at least to lease jobs. A call that it comes to later does
	// nothing.
	minTimeout = 2 * time.Second

	// maxTake is how many jobs one script leases.
	maxTake = 2000
)

// share is what a call may take from one partition.
type share struct {
	queue.Want             // without Lanes
	named      []laneLimit // the lanes that have a limit of their own
	bytes      int64       // of data, but for the first job
	ring       int64       // to begin with
}

type laneLimit struct {
	name  string
	limit int
}

// taken is what a take script has answered.
type taken struct {
	leases []queue.Lease
	now    int64         // Redis's clock, in microseconds
	due    time.Duration // until the next delay, lease or hold ends; negative: there is none
	left   rings         // where lanes are left
	late   bool          // the call came too late and did nothing
}

// take leases what is ready in p and fits into s, and reads its data. What it learns of p it notes
// there. It does not end with ctx, since its answer would be lost, and with it the leases.
func (q *Queue) take(ctx context.Context, p *partition, s *share) []queue.Lease {
	if p.skew.Load() == 0 { // the deadline and the leases' times need Redis's clock
		if _, ok := q.takeOnce(ctx, p, &share{}); !ok {
			return nil
		}
	}
	leases, ok := q.takeOnce(ctx, p, s)
	if !ok {
		return nil
	}
	read, err := q.readLarge(ctx, p, leases)
	if len(read) == 0 && err != nil {
		p.note(taken{}, err, p.wakesSoFar())
	}
	return read
}

// takeOnce runs the take script, and reports whether it was answered.
func (q *Queue) takeOnce(ctx context.Context, p *partition, s *share) ([]queue.Lease, bool) {
	start, wakes, timeout := time.Now(), p.wakesSoFar(), p.timeout()
	l, lost := lostTake{q.newToken(), p.deadline(start, timeout), timeout.Microseconds()}, p.lostTakes()
	args := q.takeArgs(s, &l, lost)

	// The answer may take as long as the way there, and longer if it is large.
	running, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*timeout+q.rate.expect(s.bytes))
	defer cancel()
	t, err := await(running, q, func() (taken, error) {
		answer, err := q.eval(running, takeScript, p, args)
		if err != nil {
			return taken{}, err
		}
		return p.readTaken(answer, l.token, start, q.opts.Lease), nil
	})
	switch {
	case err != nil:
		p.remember(err, l)
		p.note(taken{}, err, wakes)
		q.noteFailure(p, err, s.bytes, time.Since(start))
		return nil, false
	case t.late:
		p.slower()
		p.disarm()
		return nil, false
	}
	q.noteAnswer(p, t.leases, time.Since(start))
	p.forget(lost, t.now)
	p.note(t, nil, wakes)
	return t.leases, true
}

func (q *Queue) takeArgs(s *share, l *lostTake, lost []lostTake) []any {
	fixed := append(make([]byte, 0, tokenSize+12*8), l.token...)
	for _, n := range [...]int64{
		q.opts.Lease.Microseconds(), l.deadline, int64(min(s.Max, maxTake)), int64(s.MaxPerLane),
		int64(max(0, s.MaxUntried)), int64(max(0, s.MaxFailing)), s.ring, int64(flag(q.opts.AtMostOnce)),
		q.opts.MarkerTTL.Microseconds(), int64(q.opts.MaxMarkers), int64(len(s.named)), s.bytes,
	} {
		fixed = binary.LittleEndian.AppendUint64(fixed, math.Float64bits(float64(n)))
	}
	args := append(make([]any, 0, 1+2*len(s.named)+3*len(lost)), fixed)
	for _, named := range s.named {
		args = append(args, named.name, named.limit)
	}
	for _, l := range lost {
		// Nobody has extended these leases, so they end one lease after the time in which the call
		// may have run.
		last := l.deadline + q.opts.Lease.Microseconds()
		args = append(args, l.token, last-2*l.timeout, last)
	}
	return args
}

// readTaken reads the answer of the take script.
func (p *partition) readTaken(answer any, token string, start time.Time, lease time.Duration) taken {
	parts := list(answer)
	if len(parts) < 3 {
		return taken{due: -1}
	}
	t := taken{now: int64(number(parts[0])), due: micros(parts[1])}
	if number(parts[1]) < 0 {
		t.due = -1
	}
	if left := number(parts[2]); left < 0 {
		t.late = true
	} else {
		t.left = rings(left)
	}
	p.noteClock(start, t.now)
	if len(parts) == 3 {
		return t
	}
	lanes, jobs := parts[4:4+5*number(parts[3])], parts[4+5*number(parts[3]):]
	t.leases = make([]queue.Lease, len(jobs)/3)
	for i := range t.leases {
		lane := lanes[5*number(jobs[3*i+1]):]
		text, _ := jobs[3*i].(string)
		data, _ := jobs[3*i+2].(string)
		l := &t.leases[i]
		p.readLease(l, lane, text, token, t.now)
		l.Data, l.Until = bytesOf(data), start.Add(lease)
	}
	return t
}

// readLease reads a lease from its ticket and what the take script says of its lane.
func (p *partition) readLease(l *queue.Lease, lane []any, text, token string, now int64) {
	j := readTicket(text)
	kind := "L"
	if number(lane[3]) == 1 {
		kind, l.Probe = "P", true
	}
	l.ID, l.Ordered = j.id, number(lane[1]) == 1
	l.Lane, _ = lane[0].(string)
	l.Health, l.Holds = queue.Health(number(lane[2])), number(lane[4])
	l.Receipt = kind + token + timeText(now) + j.head
	l.Attempts, l.First, l.Age = j.attempts, p.local(j.first), age(j.enqueued, now)
}
