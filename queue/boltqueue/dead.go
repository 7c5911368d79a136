package boltqueue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pushhooks/webhook/queue"
)

// DeadLetter moves the job of l to the dead letters. Its reason is cut at 1024 bytes.
func (q *Queue) DeadLetter(ctx context.Context, l queue.Lease, reason string) error {
	o := &deadOp{lease: l, reason: reason}
	if err := q.do(ctx, o); err != nil {
		return err
	}
	return o.err
}

// deadOp makes a dead letter of a job.
type deadOp struct {
	lease  queue.Lease
	reason string
	entry  *entry
	record deadRecord
	letter *deadLetter
	err    error
}

func (o *deadOp) admit(x *index, now time.Duration) bool {
	e := x.claim(&o.lease, now)
	if e == nil {
		o.err = queue.ErrLeaseLost
		return false
	}
	first := e.Began()
	if at, ok := e.First(); ok {
		first = at
	}
	o.entry = e
	o.record = deadRecord{
		id: o.lease.ID, lane: e.Lane().Name, reason: o.reason, ordered: e.Lane().Ordered,
		attempts: uint32(e.Attempts()) + 1, first: x.unix(first), at: x.unix(now),
	}
	o.letter = x.addDead(&o.record, e.Size(), now)
	return true
}

// addDead takes a dead letter into the index, with the next key.
func (x *index) addDead(d *deadRecord, size int64, now time.Duration) *deadLetter {
	x.dead.last++
	n := &deadLetter{key: x.dead.last, hash: x.hash(d.id), size: size, at: now}
	x.dead.add(n, d.lane)
	return n
}

func (o *deadOp) write(t *tables) error {
	seq := o.entry.Value.seq
	value := t.jobs().Get(key(seq))
	_, _, data, err := splitRecord(value)
	if err != nil {
		data = value // as for any record that cannot be read
	}
	return errors.Join(t.dead().Put(key(o.letter.key), o.record.encode(data)), t.deleteJob(seq))
}

func (o *deadOp) finish(x *index, now time.Duration, err error) {
	switch {
	case o.entry == nil:
	case err != nil:
		x.dead.remove(o.letter)
		delete(x.dead.left, o.letter.hash)
		x.set.Abort(o.entry)
	default:
		if h := o.letter.hash; x.known[h] == o.entry {
			delete(x.known, h) // it is known as a dead letter now
		}
		x.set.Remove(o.entry, now)
	}
}

// removeDead deletes a dead letter and remembers its ID.
func (t *tables) removeDead(n *deadLetter) error {
	k := key(n.key)
	if d, _, err := decodeDead(t.dead().Get(k)); err == nil && d.id != "" {
		t.marked = append(t.marked, t.x.marker(d.id))
	}
	return t.dead().Delete(k)
}

// evictDead deletes the dead letters that are beyond the bounds.
func (t *tables) evictDead() error {
	for _, n := range t.evicted {
		if err := t.removeDead(n); err != nil {
			return err
		}
	}
	if len(t.evicted) == 0 {
		return nil
	}
	return t.meta().Put([]byte(droppedKey), key(uint64(t.x.dead.evicted)+uint64(len(t.evicted))))
}

// applyEvicted counts the dead letters that were evicted, or takes them back.
func (t *tables) applyEvicted(err error) {
	d := t.x.dead
	if err == nil {
		d.evicted += int64(len(t.evicted))
		return
	}
	for _, n := range t.evicted {
		d.add(n, n.lane.name)
	}
}

// trimOp has the dead letters evicted that are beyond the bounds.
type trimOp struct{}

func (trimOp) admit(*index, time.Duration) bool    { return true }
func (trimOp) write(*tables) error                 { return nil }
func (trimOp) finish(*index, time.Duration, error) {}

// dropOld evicts dead letters that have become too old.
func (q *Queue) dropOld(ctx context.Context) error {
	x, now, err := q.begin()
	if err != nil {
		return err
	}
	beyond := x.dead.excess(&q.opts, now) != nil
	q.end()
	if !beyond {
		return nil
	}
	return q.do(ctx, trimOp{})
}

// DeadLetters lists dead letters, oldest first. It begins with the oldest if after was never one of
// them, or left too long ago to be known.
func (q *Queue) DeadLetters(ctx context.Context, after string, limit int) ([]queue.DeadLetter, error) {
	if err := q.dropOld(ctx); err != nil {
		return nil, err
	}
	start, err := q.deadAfter(after)
	if err != nil {
		return nil, err
	}
	var list []queue.DeadLetter
	err = q.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte(deadBucket)).Cursor()
		for k, v := c.Seek(key(start)); k != nil && len(list) < limit; k, v = c.Next() {
			if d, data, err := decodeDead(v); err == nil {
				list = append(list, d.letter(data))
			}
		}
		return nil
	})
	return list, err
}

// deadAfter returns the first key behind that of the dead letter with this ID.
func (q *Queue) deadAfter(id string) (uint64, error) {
	x, _, err := q.begin()
	if err != nil {
		return 0, err
	}
	defer q.end()
	h := x.hash(id)
	if n := x.dead.byID[h]; n != nil {
		return n.key + 1, nil
	}
	return x.dead.left[h] + 1, nil
}

// letter returns the dead letter with its Data.
func (d *deadRecord) letter(data []byte) queue.DeadLetter {
	return queue.DeadLetter{
		Job:      queue.Job{ID: d.id, Lane: d.lane, Ordered: d.ordered, Data: bytes.Clone(data)},
		Reason:   d.reason,
		Attempts: int(d.attempts),
		First:    unixTime(d.first),
		At:       unixTime(d.at),
	}
}

// removeAtOnce is how many dead letters one transaction replays or discards.
const removeAtOnce = 100

// Replay puts new jobs in the places of dead letters. When one does not fit it stops, with ErrFull;
// that one and those after it stay where they are.
func (q *Queue) Replay(ctx context.Context, letters []queue.Replayed) (int, error) {
	removals := make([]removal, len(letters))
	for i := range letters {
		if err := checkJob(&letters[i].Job); err != nil {
			return 0, fmt.Errorf("replay of %q: %w", letters[i].ID, err)
		}
		removals[i] = removal{id: letters[i].ID, job: &letters[i].Job}
	}
	return q.removeLetters(ctx, removals)
}

// Discard forgets dead letters.
func (q *Queue) Discard(ctx context.Context, ids []string) (int, error) {
	removals := make([]removal, len(ids))
	for i := range ids {
		removals[i].id = ids[i]
	}
	return q.removeLetters(ctx, removals)
}

func (q *Queue) removeLetters(ctx context.Context, removals []removal) (total int, err error) {
	if err := q.dropOld(ctx); err != nil {
		return 0, err
	}
	for chunk := range slices.Chunk(removals, removeAtOnce) {
		o := &removeOp{opts: &q.opts, removals: chunk}
		if err := q.do(ctx, o); err != nil {
			return total, err
		}
		total += o.n
		if o.err != nil {
			return total, o.err
		}
	}
	return total, nil
}

// removal is a dead letter that is replayed or discarded.
type removal struct {
	id     string
	job    *queue.Job  // to replay; nil to discard
	letter *deadLetter // nil if there is none
	entry  *entry      // of job; nil if it is not to be enqueued
}

// removeOp takes dead letters out, and replays them.
type removeOp struct {
	opts     *Options
	removals []removal
	n        int
	err      error
}

func (o *removeOp) admit(x *index, now time.Duration) bool {
	for i := range o.removals {
		r := &o.removals[i]
		letter := x.dead.byID[x.hash(r.id)]
		if letter == nil {
			continue
		}
		if r.job != nil {
			if err := r.enqueue(x, o.opts, letter.lane.name, now); err != nil {
				o.err = fmt.Errorf("boltqueue: replay of %q: %w", r.id, err)
				break
			}
		}
		x.dead.remove(letter)
		r.letter = letter
		o.n++
	}
	return o.n > 0
}

// enqueue makes room for a replayed job, unless it had been replayed before.
func (r *removal) enqueue(x *index, opts *Options, lane string, now time.Duration) error {
	if r.job.Lane != lane {
		return fmt.Errorf("the job is of lane %q; it must be of lane %q", r.job.Lane, lane)
	}
	h := x.hash(r.job.ID)
	if x.has(h) {
		return nil
	}
	if err := x.room(opts, r.job); err != nil {
		return err
	}
	r.entry = x.add(h, r.job, x.newSeq(), seqSpan, now)
	return nil
}

func (o *removeOp) write(t *tables) error {
	for i := range o.removals {
		r := &o.removals[i]
		if r.letter == nil {
			continue
		}
		if err := t.removeDead(r.letter); err != nil {
			return err
		}
		if r.entry == nil {
			continue
		}
		if err := t.putJob(r.entry, r.job); err != nil {
			return err
		}
	}
	return nil
}

func (o *removeOp) finish(x *index, now time.Duration, err error) {
	for i := range o.removals {
		r := &o.removals[i]
		if r.letter != nil && err != nil {
			x.dead.add(r.letter, r.letter.lane.name)
		}
		if r.entry != nil {
			x.arrive(r.entry, r.job, now, err)
		}
	}
}
