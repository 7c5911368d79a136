package redisqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pushhooks/webhook/queue"
)

const (
	// A job whose data is not in Redis is received again after its age, within these bounds, so
	// that it costs little while someone restores the data.
	minUnreadDelay = time.Second
	maxUnreadDelay = time.Minute

	// unreadAge is how old a job is that is received without its data, for the caller to give up.
	unreadAge = time.Hour
)

// errNoData is the error of a Receive that found jobs without their data.
var errNoData = errors.New("the data of jobs is missing in Redis")

// withData returns the leases that have their data. The other jobs are given back, uncounted, and
// the next Receive that finds nothing returns an error; when they are too old they are returned as
// they are. With AtMostOnce there is nothing to give back.
func (q *Queue) withData(p *partition, leases []queue.Lease) []queue.Lease {
	if q.opts.AtMostOnce || !slices.ContainsFunc(leases, isUnread) {
		return leases
	}
	var whole []queue.Lease
	var nacks []queue.Nack
	for _, l := range leases {
		if !isUnread(l) || l.Age > unreadAge {
			whole = append(whole, l)
			continue
		}
		nacks = append(nacks, queue.Nack{Lease: l, Delay: min(max(l.Age, minUnreadDelay), maxUnreadDelay)})
	}
	if len(nacks) == 0 {
		return whole
	}
	ctx, cancel := context.WithTimeout(q.life, takeTimeout)
	defer cancel()
	err := fmt.Errorf("redisqueue: receive from partition %d: %d jobs were given back, such as %q: %w",
		p.number, len(nacks), nacks[0].ID, errNoData)
	q.unread.Store(&err)
	_ = q.Nack(ctx, nacks) // if that fails, their leases end by themselves
	return whole
}

// isUnread reports whether a lease came without the data that its job has.
func isUnread(l queue.Lease) bool { return len(l.Data) == 0 && sizeOf(&l) > 0 }

// unreadError returns the error of jobs without data, once.
func (q *Queue) unreadError() error {
	if err := q.unread.Swap(nil); err != nil {
		return *err
	}
	return nil
}
