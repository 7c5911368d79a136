package flatqueue

import (
	"cmp"
	"slices"
	"time"

	"github.com/pushhooks/webhook/internal/lanes"
)

// How long a message that is more than its lane's share waits for a Receive before it is given
// back, and for how long it is hidden then.
const (
	settleTime      = 20 * time.Millisecond
	minYield        = time.Second
	maxYield        = time.Minute
	maxFailingYield = 5 * time.Minute
)

// yieldDelay is for how long a job of an age is left to the others: for as long as it is old, so
// that it waits at most twice as long as otherwise, and is received less and less.
func yieldDelay(age, limit time.Duration) time.Duration { return min(max(age, minYield), limit) }

// usage is what some parked messages hold.
type usage struct {
	jobs  int
	bytes int64
}

func (u *usage) add(m *message, n int) {
	u.jobs += n
	u.bytes += int64(n) * m.job.Size()
}

// exceeds reports whether u is more than what total leaves of the limit.
func (u *usage) exceeds(limit, total *usage) bool {
	return u.jobs > limit.jobs-total.jobs || u.bytes > limit.bytes-total.bytes
}

// shares is what has been parked here for settleTime, and by whom.
type shares struct {
	failingLimit, limit usage
	failing, all        usage
	lanes               map[*lanes.Lane[*message]]*usage
}

// count counts a message n times.
func (s *shares) count(m *message, n int) {
	l := m.job.Lane()
	if s.lanes[l] == nil {
		s.lanes[l] = new(usage)
	}
	s.lanes[l].add(m, n)
	s.all.add(m, n)
	if l.Health() == lanes.Failing {
		s.failing.add(m, n)
	}
}

// exceeded reports whether the lane of m has more than its share.
func (s *shares) exceeded(m *message) bool {
	l := m.job.Lane()
	if l.Health() == lanes.Failing {
		return s.lanes[l].exceeds(&s.failingLimit, &s.failing)
	}
	return s.lanes[l].exceeds(&s.limit, &s.all)
}

// part is which part of everything the lane of m has.
func (s *shares) part(m *message) float64 {
	u := s.lanes[m.job.Lane()]
	return max(float64(u.jobs)/float64(s.limit.jobs), float64(u.bytes)/float64(s.limit.bytes))
}

// isCrowded reports whether so much is parked that some lane may have more than its share: one has
// at least half of the smallest limit then. The caller holds q.mu.
func (q *Queue) isCrowded() bool {
	jobs := q.set.Count(lanes.Ready) + q.set.Count(lanes.Delayed)
	bytes := q.set.Size(lanes.Ready) + q.set.Size(lanes.Delayed)
	return jobs > q.opts.ParkedJobs/4 || bytes > q.opts.ParkedBytes/4
}

// trim gives back what nobody has taken and what is more than its lane's share, of the largest lane
// first. The caller holds q.mu.
func (q *Queue) trim(now time.Duration) {
	if !q.isCrowded() {
		return
	}
	s, settled := q.settledShares(now)
	surplus := slices.DeleteFunc(settled, func(m *message) bool {
		return m.job.State() != lanes.Ready || m.split != nil || !s.exceeded(m)
	})
	slices.SortFunc(surplus, func(a, b *message) int { return cmp.Compare(s.part(b), s.part(a)) })
	for _, m := range surplus {
		if m.job.State() == lanes.Gone || !s.exceeded(m) { // enough has been given back before
			continue
		}
		for _, m := range append(q.followers(m), m) {
			if m.parked+settleTime <= now {
				s.count(m, -1)
			}
			q.yield(m, now)
		}
	}
}

// settledShares counts the messages that no Receive has taken within settleTime, and returns them.
func (q *Queue) settledShares(now time.Duration) (*shares, []*message) {
	s := &shares{
		failingLimit: usage{q.opts.ParkedJobs / 2, q.opts.ParkedBytes / 2},
		limit:        usage{q.opts.ParkedJobs - q.opts.ParkedJobs/8, q.opts.ParkedBytes - q.opts.ParkedBytes/8},
		lanes:        make(map[*lanes.Lane[*message]]*usage),
	}
	var settled []*message
	for _, m := range q.byID {
		switch wait := m.parked + settleTime; {
		case !m.isParked():
		case wait > now:
			q.next = min(q.next, wait)
		default:
			s.count(m, 1)
			settled = append(settled, m)
		}
	}
	return s, settled
}

// yield leaves a parked message to the other processes for a while: at least until this one may
// want it.
func (q *Queue) yield(m *message, now time.Duration) {
	l, limit := m.job.Lane(), maxYield
	if l.Health() == lanes.Failing {
		limit = maxFailingYield
	}
	after := yieldDelay(now-m.job.Enqueued(), limit)
	if due, held := l.Hold(); held {
		after = max(after, due-now)
	}
	q.giveBack(m, after, now)
}
