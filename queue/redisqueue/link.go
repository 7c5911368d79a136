package redisqueue

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

const (
	// maxTimeout is how long Redis has at most to lease jobs, after calls that were not answered.
	maxTimeout = 16 * time.Second

	// maxSlows is how often the timeouts are doubled at most, and slowFor how long they stay so.
	maxSlows = 4
	slowFor  = time.Minute

	// firstRate is how many bytes per second the link to Redis is assumed to carry before anything
	// was measured.
	firstRate = 1 << 20

	// minRate is the lowest that is assumed after answers that did not come in time.
	minRate = 8 << 10

	// What one call may take is as much data as comes in budgetTime and a few round trips, within
	// these bounds.
	budgetTime = time.Second
	minBudget  = 64 << 10
	maxBudget  = 16 << 20

	// chunksPerBudget is into how many parts that is read.
	chunksPerBudget = 8

	// minSample is how much data has to come for the rate to be measured.
	minSample = 64 << 10

	// maxBusy is how long the rate is measured at a time. Data counts when all of its chunk has
	// come, so a shorter time may count what came before.
	maxBusy = 4 * time.Second
)

// timeout is how long Redis has to run a call, which grows with the round trip and after calls that
// were not answered in time.
func (p *partition) timeout() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return min(maxTimeout, max(takeTimeout, 8*p.rtt)<<p.slowsAt(time.Now()))
}

// roundTrip returns what a round trip takes on an idle link; 0 if that is not known.
func (p *partition) roundTrip() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idleRTT
}

// slower notes that a call was not answered in time. Calls that fail together count once.
func (p *partition) slower() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); now.Sub(p.slowed) > takeTimeout/4 {
		p.slows, p.slowed = min(maxSlows, p.slowsAt(now)+1), now
	}
}

// slowsAt returns how often calls were not answered in time lately.
func (p *partition) slowsAt(now time.Time) int {
	if now.Sub(p.slowed) > slowFor {
		return 0
	}
	return p.slows
}

// answered notes that a call with little data was answered.
func (p *partition) answered(elapsed time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rtt == 0 {
		p.rtt, p.idleRTT = elapsed, elapsed
	}
	p.rtt += (elapsed - p.rtt) / 8
	p.idleRTT = min(elapsed, p.idleRTT+(elapsed-p.idleRTT)/64)
}

// noteAnswer notes how long a call took that brought leases.
func (q *Queue) noteAnswer(p *partition, leases []queue.Lease, elapsed time.Duration) {
	n := 0
	for i := range leases {
		n += len(leases[i].Data)
	}
	if n < minSample {
		p.answered(elapsed)
		return
	}
	q.rate.sample(n, max(elapsed-p.roundTrip(), elapsed/4))
}

// isTimeout reports whether a call has ended because an answer did not come in time.
func isTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}

// noteFailure notes that a call was not answered, which was to bring so much data at most. If it
// took too long, the next ones have more time and ask for less.
func (q *Queue) noteFailure(p *partition, err error, bytes int64, elapsed time.Duration) {
	if isTimeout(err) {
		p.slower()
		q.rate.missed(bytes, elapsed)
	}
}

// budget is how much data a call on p may take when n of them begin side by side. The data has come
// before much of the leases' time has passed.
func (q *Queue) budget(p *partition, n int) int64 {
	d := min(budgetTime+4*p.roundTrip(), q.opts.Lease/4)
	return min(maxBudget, max(minBudget, q.rate.in(d)/int64(n)))
}

// rate measures how many bytes per second the link to Redis carries, for all calls together.
type rate struct {
	mu     sync.Mutex
	value  float64 // 0: not known
	active int     // reads under way
	began  time.Time
	bytes  int // that have come since then
}

// in returns how much data comes in a time, besides that of the reads under way.
func (r *rate) in(d time.Duration) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int64(r.get()*d.Seconds()) / int64(1+r.active)
}

func (r *rate) get() float64 {
	if r.value == 0 {
		return firstRate
	}
	return r.value
}

// expect returns how long this much data takes to come for each of the reads under way.
func (r *rate) expect(bytes int64) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Duration(float64(bytes) * float64(max(1, r.active)) / r.get() * float64(time.Second))
}

// start notes that a read begins.
func (r *rate) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active == 0 {
		r.began, r.bytes = time.Now(), 0
	}
	r.active++
}

// add notes that data has come.
func (r *rate) add(bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes += bytes
}

// stop notes that a read has ended. The first data of a read takes an idle link a round trip to
// come.
func (r *rate) stop(idle time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active--
	elapsed := time.Since(r.began)
	if r.active > 0 && elapsed < maxBusy {
		return
	}
	if r.bytes >= minSample {
		r.note(r.bytes, max(elapsed-idle, elapsed/4))
	}
	r.began, r.bytes = time.Now(), 0
}

// sample notes that so much data came in the time.
func (r *rate) sample(bytes int, elapsed time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(bytes, elapsed)
}

// note moves the rate down at once, and up step by step.
func (r *rate) note(bytes int, elapsed time.Duration) {
	rate := float64(bytes) / max(elapsed, time.Microsecond).Seconds()
	r.value = min(rate, (r.get()+min(rate, 16*r.get()))/2)
}

// missed notes that less data than this came in the time.
func (r *rate) missed(bytes int64, elapsed time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.value = max(minRate, min(r.get()/2, float64(bytes)/elapsed.Seconds()))
}
