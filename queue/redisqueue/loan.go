package redisqueue

import (
	"encoding/binary"
	"math"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// loan is the Want of a Receive that waits, which an Enqueue of this process may use: its script
// leases what it takes, if that is of a healthy lane that has nothing else ready. So a job of an
// idle queue costs no take, no wake message and no second way for its data.
type loan struct {
	want     queue.Want
	answer   chan []queue.Lease // what the Enqueue has leased
	borrowed bool
	left     bool // its Receive has gone
}

// loans are those that no Enqueue has borrowed.
type loans struct {
	mu      sync.Mutex
	offered []*loan
}

// offer offers the Want of a Receive that begins to wait.
func (b *loans) offer(w queue.Want) *loan {
	l := &loan{want: w, answer: make(chan []queue.Lease, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.offered = append(b.offered, l)
	return l
}

// borrow returns the loan that waits for the longest, or nil.
func (b *loans) borrow() *loan {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.offered) == 0 {
		return nil
	}
	l := b.offered[0]
	b.offered = b.offered[1:]
	l.borrowed = true
	return l
}

// withdraw ends an offer, and reports false if the loan was borrowed.
func (b *loans) withdraw(l *loan) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.offered {
		if b.offered[i] == l {
			b.offered = append(b.offered[:i], b.offered[i+1:]...)
			break
		}
	}
	return !l.borrowed
}

// leave notes that a Receive waits no longer for what its loan brings, and returns what it has
// brought.
func (b *loans) leave(l *loan) []queue.Lease {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.left = true
	select {
	case leases := <-l.answer:
		return leases
	default:
		return nil
	}
}

// repay returns a loan with what was leased for it.
func (q *Queue) repay(l *loan, leases []queue.Lease) {
	q.loans.mu.Lock()
	left := l.left
	if !left {
		l.answer <- leases
	}
	q.loans.mu.Unlock()
	if left {
		q.keep(leases)
	}
}

// grant is what one enqueue script may lease.
type grant struct {
	loan  *loan
	take  lostTake // if its answer is lost
	start time.Time
}

// grant borrows a loan for a script on p, and returns nil if there is none or nothing may be
// leased. With AtMostOnce there are no leases.
func (q *Queue) grant(p *partition) *grant {
	// the deadline and the leases' times need Redis's clock
	if q.opts.AtMostOnce || p.skew.Load() == 0 || !p.mayGrant() {
		return nil
	}
	l := q.loans.borrow()
	if l == nil {
		return nil
	}
	g := &grant{loan: l, start: time.Now()}
	timeout := p.timeout()
	g.take = lostTake{q.newToken(), p.deadline(g.start, timeout), timeout.Microseconds()}
	return g
}

// mayGrant reports whether jobs may be leased that were just enqueued: not while leases are given
// back, whose jobs go before them.
func (p *partition) mayGrant() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left == 0 && p.failed == nil
}

// arg returns what the script is told of a grant; nothing without one.
func (g *grant) arg(lease time.Duration) []byte {
	if g == nil {
		return nil
	}
	b := append(make([]byte, 0, tokenSize+3*8), g.take.token...)
	for _, n := range [...]int64{lease.Microseconds(), g.take.deadline, int64(g.loan.want.Max)} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(n)))
	}
	return b
}

// limit returns how many jobs of a lane may be leased.
func (g *grant) limit(lane string) int {
	if g == nil {
		return 0
	}
	return g.loan.want.Limit(lane)
}

// leased makes the leases of the jobs with these indexes, which a script leased at now by Redis's
// clock.
func (g *grant) leased(jobs []queue.Job, batch, indexes []int, now int64, lease time.Duration) []queue.Lease {
	leases := make([]queue.Lease, len(indexes))
	began := timeText(now)
	for k, i := range indexes {
		l := &leases[k]
		l.Job = jobs[batch[i]]
		if l.Data == nil {
			l.Data = []byte{}
		}
		l.Receipt = "L" + g.take.token + began + began + sizeText(len(l.Data)) + "-"
		l.Health, l.Until = queue.Healthy, g.start.Add(lease)
	}
	return leases
}
