package redisqueue

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/queue"
)

const (
	// takeTimeout is how long Redis has to lease jobs. A call that it comes to later does nothing.
	takeTimeout = 2 * time.Second

	// takeGrace is how long an answer is waited for when the caller has gone.
	takeGrace = 500 * time.Millisecond

	// maxTake is how many jobs one script leases.
	maxTake = 2000
)

// taken is what a take script has answered.
type taken struct {
	leases []queue.Lease
	now    int64         // Redis's clock, in microseconds
	due    time.Duration // until the next delay, lease or hold ends; negative: there is none
	left   int           // lanes left in the rings
}

// take leases what is ready in p and fits into w. names are the lanes of p that w names. A failure
// is noted in p.
func (q *Queue) take(ctx context.Context, p *partition, w *queue.Want, names []string) []queue.Lease {
	if p.skew.Load() == 0 { // the deadline and the leases' times need Redis's clock
		q.takeOnce(ctx, p, &queue.Want{}, nil, q.timeout())
		if p.failure() != nil {
			return nil
		}
	}
	return q.takeOnce(ctx, p, w, names, q.timeout())
}

// timeout is how long a Receive waits for one partition, while others may have jobs.
func (q *Queue) timeout() time.Duration {
	if len(q.parts) == 1 {
		return takeTimeout
	}
	return takeTimeout / 4
}

// takeOnce runs the take script, waits for its answer for the given time, and notes in p what it
// says.
func (q *Queue) takeOnce(ctx context.Context, p *partition, w *queue.Want, names []string, timeout time.Duration) []queue.Lease {
	start, wakes := time.Now(), p.wakesSoFar()
	token, deadline, lost := q.newToken(), p.deadline(start), p.lostTakes()
	args := q.takeArgs(w, names, token, deadline, lost)

	// The call does not end with ctx: its answer would be lost, and with it the leases.
	patient, stop := withGrace(ctx, timeout)
	defer stop()
	t, err := await(patient, q, func() (taken, error) {
		running, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeTimeout)
		defer cancel()
		answer, err := q.eval(running, takeScript, p, args)
		if err != nil {
			return taken{}, err
		}
		t := p.readTaken(answer, token, start, q.opts.Lease)
		return t, q.readLarge(running, p, t.leases)
	})
	if err != nil {
		p.remember(err, lostTake{token, deadline})
		p.note(taken{}, err, wakes)
		return nil
	}
	p.forget(lost, t.now)
	p.note(t, nil, wakes)
	return q.withData(p, t.leases)
}

// withGrace returns a context that ends after d, or a moment after ctx.
func withGrace(ctx context.Context, d time.Duration) (context.Context, func()) {
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), d)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(takeGrace, cancel) })
	return patient, func() {
		stop()
		cancel()
	}
}

func (q *Queue) takeArgs(w *queue.Want, names []string, token string, deadline int64, lost []lostTake) []any {
	fixed := append(make([]byte, 0, tokenSize+11*8), token...)
	for _, n := range [...]int64{
		q.opts.Lease.Microseconds(), deadline, int64(min(w.Max, maxTake)), int64(w.MaxPerLane),
		int64(max(0, w.MaxUntried)), int64(max(0, w.MaxFailing)), q.rings.Add(1) % 3, int64(flag(q.opts.AtMostOnce)),
		q.opts.MarkerTTL.Microseconds(), int64(q.opts.MaxMarkers), int64(len(names)),
	} {
		fixed = binary.LittleEndian.AppendUint64(fixed, math.Float64bits(float64(n)))
	}
	args := append(make([]any, 0, 1+2*len(names)+3*len(lost)), fixed)
	for _, name := range names {
		args = append(args, name, w.Limit(name))
	}
	for _, l := range lost {
		// Nobody has extended these leases, so they end one lease after the time in which the call
		// may have run.
		last := l.deadline + q.opts.Lease.Microseconds()
		args = append(args, l.token, last-2*takeTimeout.Microseconds(), last)
	}
	return args
}

// readTaken reads the answer of the take script.
func (p *partition) readTaken(answer any, token string, start time.Time, lease time.Duration) taken {
	parts := list(answer)
	if len(parts) < 3 {
		return taken{due: -1}
	}
	t := taken{now: int64(number(parts[0])), due: micros(parts[1]), left: number(parts[2])}
	if number(parts[1]) < 0 {
		t.due = -1
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
		l.Data, l.Until = []byte(data), start.Add(lease)
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

// readLarge reads the data of large jobs, which the take script does not return. With AtMostOnce
// the script does return it, since the job is gone then.
func (q *Queue) readLarge(ctx context.Context, p *partition, leases []queue.Lease) error {
	var ids []any
	for i := range leases {
		if len(leases[i].Data) == 0 && sizeOf(&leases[i]) > inlineBytes {
			ids = append(ids, leases[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	data, err := q.readData(ctx, p, ids)
	if err != nil {
		// Not wrapped, because this is no refusal of Redis to lease: the jobs are leased.
		return fmt.Errorf("redisqueue: receive from partition %d: read large jobs: %s", p.number, err.Error())
	}
	for i := range leases {
		if len(leases[i].Data) == 0 {
			leases[i].Data = []byte(data[leases[i].ID])
		}
	}
	return nil
}

// readData returns the data of large jobs by their IDs, as far as it is there. What the master does
// not seem to have is read again by a script, which no replica runs: the master may just have become
// one.
func (q *Queue) readData(ctx context.Context, p *partition, ids []any) (map[string]string, error) {
	cmd := single{redis.NewCmd(ctx, append([]any{"hmget", p.large()}, ids...)...)}
	_ = q.master(ctx, p).Process(ctx, cmd)
	values, err := cmd.Slice()
	if err != nil {
		return nil, err
	}
	data := make(map[string]string, len(ids))
	var missing []any
	for i, v := range values {
		if text, ok := v.(string); ok {
			data[ids[i].(string)] = text
		} else {
			missing = append(missing, ids[i])
		}
	}
	if len(missing) == 0 {
		return data, nil
	}
	answer, err := q.eval(ctx, readScript, p, missing)
	for i, text := range texts(answer) {
		data[missing[i].(string)] = text
	}
	return data, err
}
