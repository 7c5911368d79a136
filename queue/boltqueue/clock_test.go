package boltqueue

import (
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pushhooks/webhook/internal/limits"
	"github.com/pushhooks/webhook/queue"
)

// shift moves all times in a queue's file, as if the clock had been ahead when they were written.
func shift(t *testing.T, path string, by time.Duration) {
	t.Helper()
	move := func(at *int64) {
		if *at != 0 {
			*at += int64(by)
		}
	}
	edit(t, path, func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(jobsBucket))
		for k, v := b.Cursor().First(); k != nil; k, v = nil, nil { // the tests have one job
			r, data, err := decodeRecord(v)
			must(t, err)
			move(&r.enqueued)
			must(t, b.Put(k, append(r.append(nil), data...)))
		}
		b = tx.Bucket([]byte(progressBucket))
		for k, v := b.Cursor().First(); k != nil; k, v = nil, nil {
			p := decodeProgress(v)
			move(&p.first)
			move(&p.due)
			must(t, b.Put(k, p.encode()))
		}
		b = tx.Bucket([]byte(lanesBucket))
		for k, v := b.Cursor().First(); k != nil; k, v = nil, nil {
			r, err := decodeLane(v)
			must(t, err)
			move(&r.since)
			move(&r.heldUntil)
			move(&r.seen)
			must(t, b.Put(k, r.encode()))
		}
		return nil
	})
}

const years = 5 * 365 * 24 * time.Hour

func TestADelayFromAClockThatWasAheadIsNoLongerThanItWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueue(t, q, job("j", "a"))
		must(t, q.Nack(t.Context(), []queue.Nack{{Lease: receive(t, q, 1)[0], Delay: time.Minute, Counted: true}}))
		path := crashed(t, q)
		shift(t, path, years)
		q = open(t, path, Options{})
		time.Sleep(time.Minute - time.Millisecond)
		expect(t, receive(t, q, 1), "j") // receive waits 50 ms
	})
}

func TestAHoldFromAClockThatWasAheadLastsAtMostMaxHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueue(t, q, job("j", "a"))
		fail(t, q, "a", time.Minute)
		path := crashed(t, q)
		shift(t, path, years)
		q = open(t, path, Options{})
		if l := laneInfo(t, q, "a"); l.Since.After(time.Now()) || l.HeldUntil.After(time.Now().Add(queue.MaxHold)) {
			t.Errorf("the lane: %+v", l)
		}
		time.Sleep(queue.MaxHold)
		expect(t, receive(t, q, 1), "j")
	})
}

func TestNoJobIsYoungerThanNew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueue(t, q, job("j", "a"))
		must(t, q.Nack(t.Context(), []queue.Nack{{Lease: receive(t, q, 1)[0], Counted: true}}))
		path := crashed(t, q)
		shift(t, path, years)
		q = open(t, path, Options{})
		opened := time.Now()
		time.Sleep(time.Minute)
		if l := receive(t, q, 1)[0]; l.Age != time.Minute || !l.First.Equal(opened) {
			t.Errorf("age %v and first %v; want a minute, and when the file was opened", l.Age, l.First)
		}
	})
}

func TestADelayFromAClockThatWasBehindHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueue(t, q, job("j", "a"))
		must(t, q.Nack(t.Context(), []queue.Nack{{Lease: receive(t, q, 1)[0], Delay: time.Minute}}))
		path := crashed(t, q)
		shift(t, path, -years)
		expect(t, receive(t, open(t, path, Options{}), 1), "j")
	})
}

// jump sets a queue's wall clock wrong, as a correction or a lost battery would.
func jump(q *Queue, by time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.index.clock = func() time.Time { return time.Now().Add(by) }
}

// same checks that jobs were received, in any order.
func same(t *testing.T, leases []queue.Lease, want string) {
	t.Helper()
	slices.SortFunc(leases, func(a, b queue.Lease) int { return strings.Compare(a.ID, b.ID) })
	expect(t, leases, want)
}

// While a queue is open, its delays, holds and dead letters do not care for the wall clock, and what a
// wrong clock has written lasts no longer after a reopen than it was to.
func TestAClockThatJumpsDelaysNothing(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]time.Duration{"ahead": years, "behind": -years} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				q := open(t, file(t), Options{})
				enqueue(t, q, job("dead", "z"))
				must(t, q.DeadLetter(t.Context(), receive(t, q, 1)[0], "gone"))
				enqueue(t, q, job("j", "a"))
				jump(q, by)
				must(t, q.Nack(t.Context(), []queue.Nack{{Lease: receive(t, q, 1)[0], Delay: time.Minute, Counted: true}}))
				fail(t, q, "b", time.Minute)
				jump(q, -by)
				enqueue(t, q, job("k", "b"))
				expect(t, receive(t, q, 10), "")
				equalDead(t, q, "dead", 0)
				path := crashed(t, q)

				time.Sleep(time.Minute - 50*time.Millisecond)
				same(t, receive(t, q, 10), "j k")

				again := open(t, path, Options{})
				time.Sleep(queue.MaxHold)
				same(t, receive(t, again, 10), "j k")
			})
		})
	}
}

// A damaged delay is no longer than one that can have been asked for.
func TestNoDelayInTheFileIsLongerThanTheLongest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueue(t, q, job("j", "a"))
		must(t, q.Nack(t.Context(), []queue.Nack{{Lease: receive(t, q, 1)[0], Delay: time.Minute}}))
		path := crashed(t, q)
		edit(t, path, func(tx *bbolt.Tx) error {
			b := tx.Bucket([]byte(progressBucket))
			k, v := b.Cursor().First()
			p := decodeProgress(v)
			p.due, p.delay = time.Now().Add(290*365*24*time.Hour).UnixNano(), math.MaxInt64
			return b.Put(k, p.encode())
		})
		q = open(t, path, Options{})
		expect(t, receive(t, q, 1), "")
		time.Sleep(limits.Delay)
		expect(t, receive(t, q, 1), "j")
	})
}
