package boltqueue

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pushhooks/webhook/queue"
)

// DeadLetter moves the job of l to the dead letters. Its reason is cut at 1024 bytes.
func (q *Queue) DeadLetter(ctx context.Context, l queue.Lease, reason string) error {
	o := &buryOp{lease: l, reason: reason}
	if err := q.do(ctx, o); err != nil {
		return err
	}
	return o.err
}

type buryOp struct {
	lease  queue.Lease
	reason string
	entry  *entry
	record deadRecord
	err    error
}

func (o *buryOp) admit(x *index) bool {
	e := x.claim(&o.lease)
	if e == nil {
		o.err = queue.ErrLeaseLost
		return false
	}
	o.entry = e
	o.record = deadRecord{
		id: o.lease.ID, lane: e.lane.name, reason: o.reason, ordered: e.lane.ordered,
		attempts: e.attempts + 1, first: e.first, at: time.Now().UnixNano(), data: e.seq,
	}
	return true
}

func (o *buryOp) write(t *tables) error {
	if err := t.jobs.Delete(key(o.entry.seq)); err != nil {
		return err
	}
	return t.bury(&o.record)
}

func (o *buryOp) finish(x *index, err error) {
	switch {
	case o.entry == nil:
	case err != nil:
		x.unclaim(o.entry)
	default:
		if h := x.hash(o.lease.ID); x.known[h] == o.entry {
			delete(x.known, h) // it is in x.dead now
		}
		x.remove(o.entry)
	}
}

// bury writes a dead letter.
func (t *tables) bury(d *deadRecord) error {
	last, _ := t.dead.Cursor().Last()
	n := uint64(1)
	if last != nil {
		n = number(last) + 1
	}
	if t.buried == nil {
		t.buried = make(map[idHash]uint64)
	}
	t.buried[t.x.hash(d.id)] = n
	t.trim = true
	return t.dead.Put(key(n), d.encode())
}

// dig deletes a dead letter and remembers its ID.
func (t *tables) dig(k []byte, d *deadRecord) error {
	h := t.x.hash(d.id)
	if _, fresh := t.buried[h]; fresh {
		delete(t.buried, h)
	} else {
		t.dug = append(t.dug, h)
	}
	if d.id != "" {
		t.marked = append(t.marked, d.id)
	}
	t.trim = true
	if err := t.data.Delete(key(d.data)); err != nil {
		return err
	}
	return t.dead.Delete(k)
}

// trimDead lets the oldest dead letters give way that are too many or too old.
func (t *tables) trimDead(now time.Time) error {
	if !t.trim {
		return nil
	}
	cutoff := now.Add(-t.opts.MaxDeadAge).UnixNano()
	for {
		k, v := t.dead.Cursor().First()
		if k == nil {
			t.eldest = math.MaxInt64
			break
		}
		d, err := decodeDead(v)
		if err == nil && d.at > cutoff && len(t.x.dead)+len(t.buried)-len(t.dug) <= t.opts.MaxDead {
			t.eldest = d.at
			break
		}
		if err := t.dig(bytes.Clone(k), &d); err != nil {
			return err
		}
		t.dropped++
	}
	if t.dropped == 0 {
		return nil
	}
	return t.meta.Put([]byte(droppedKey), key(uint64(t.x.dropped+t.dropped)))
}

// trimOp lets the oldest dead letters give way.
type trimOp struct{}

func (trimOp) admit(*index) bool     { return true }
func (trimOp) write(t *tables) error { t.trim = true; return nil }
func (trimOp) finish(*index, error)  {}

// dropOld lets dead letters give way that have become too old.
func (q *Queue) dropOld(ctx context.Context) error {
	x, err := q.begin()
	if err != nil {
		return err
	}
	old := len(x.dead) > 0 && x.eldest <= time.Now().Add(-q.opts.MaxDeadAge).UnixNano()
	q.end()
	if !old {
		return nil
	}
	return q.do(ctx, trimOp{})
}

// DeadLetters lists dead letters, oldest first. If after is not one of them (any more), it starts at the oldest.
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
			if d, err := decodeDead(v); err == nil {
				list = append(list, d.letter(tx))
			}
		}
		return nil
	})
	return list, err
}

// deadAfter is the first key behind that of the dead letter with this ID.
func (q *Queue) deadAfter(id string) (uint64, error) {
	x, err := q.begin()
	if err != nil {
		return 0, err
	}
	defer q.end()
	return x.dead[x.hash(id)] + 1, nil
}

// letter returns the dead letter with its Data.
func (d *deadRecord) letter(tx *bbolt.Tx) queue.DeadLetter {
	data := tx.Bucket([]byte(dataBucket)).Get(key(d.data))
	return queue.DeadLetter{
		Job:      queue.Job{ID: d.id, Lane: d.lane, Ordered: d.ordered, Data: bytes.Clone(data)},
		Reason:   d.reason,
		Attempts: int(d.attempts),
		First:    unixTime(d.first),
		At:       unixTime(d.at),
	}
}

// digAtOnce is how many dead letters one transaction replays or discards, since their Data is in memory then.
const digAtOnce = 100

// Replay puts dead letters back on their lanes. When one does not fit it stops, with ErrFull; that one
// and those after it stay where they are.
func (q *Queue) Replay(ctx context.Context, ids []string) (int, error) {
	return q.dig(ctx, ids, true)
}

// Discard forgets dead letters.
func (q *Queue) Discard(ctx context.Context, ids []string) (int, error) {
	return q.dig(ctx, ids, false)
}

func (q *Queue) dig(ctx context.Context, ids []string, replay bool) (total int, err error) {
	if err := q.dropOld(ctx); err != nil {
		return 0, err
	}
	for chunk := range slices.Chunk(ids, digAtOnce) {
		o := &digOp{opts: &q.opts, replay: replay}
		if o.letters, err = q.find(chunk); err != nil {
			return total, err
		}
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

// digging is a dead letter that is replayed or discarded.
type digging struct {
	key    uint64
	record deadRecord
	job    queue.Job // to replay; its ID is the new one
	entry  *entry    // nil if it is not to be enqueued
	out    bool      // it leaves the dead letters
}

// find reads the dead letters with these IDs.
func (q *Queue) find(ids []string) ([]digging, error) {
	keys, err := q.deadKeys(ids)
	if err != nil {
		return nil, err
	}
	var found []digging
	err = q.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(deadBucket))
		for _, n := range keys {
			if d, err := decodeDead(b.Get(key(n))); err == nil {
				job := d.letter(tx).Job
				job.ID = queue.ReplayID(d.id)
				found = append(found, digging{key: n, record: d, job: job})
			}
		}
		return nil
	})
	return found, err
}

// deadKeys returns the keys of the dead letters with these IDs, each once.
func (q *Queue) deadKeys(ids []string) ([]uint64, error) {
	x, err := q.begin()
	if err != nil {
		return nil, err
	}
	defer q.end()
	var keys []uint64
	for _, id := range ids {
		if n, ok := x.dead[x.hash(id)]; ok && !slices.Contains(keys, n) {
			keys = append(keys, n)
		}
	}
	return keys, nil
}

// deadTaken stands in index.dead for the key of a dead letter that is being replayed or discarded.
const deadTaken = 0

// digOp takes dead letters out, and replays them.
type digOp struct {
	opts    *Options
	replay  bool
	letters []digging
	n       int
	err     error
}

func (o *digOp) admit(x *index) bool {
	for i := range o.letters {
		l := &o.letters[i]
		h := x.hash(l.record.id)
		if x.dead[h] != l.key {
			continue // somebody else took it
		}
		if o.replay {
			if o.err = o.enqueue(x, l); o.err != nil {
				break
			}
		}
		x.dead[h] = deadTaken
		l.out = true
		o.n++
	}
	return o.n > 0
}

// enqueue makes room for a replayed job, unless it had been replayed before.
func (o *digOp) enqueue(x *index, l *digging) error {
	h := x.hash(l.job.ID)
	if x.has(h) {
		return nil
	}
	if err := x.room(o.opts, l.job.Lane, int64(len(l.job.Data))); err != nil {
		return fmt.Errorf("boltqueue: replay of %q: %w", l.record.id, err)
	}
	l.entry = x.add(h, &l.job, x.newSeq(), seqSpan)
	return nil
}

func (o *digOp) write(t *tables) error {
	for i := range o.letters {
		l := &o.letters[i]
		if !l.out {
			continue
		}
		if err := t.dig(key(l.key), &l.record); err != nil {
			return err
		}
		if l.entry == nil {
			continue
		}
		if err := t.putJob(l.entry, &l.job); err != nil {
			return err
		}
	}
	return nil
}

func (o *digOp) finish(x *index, err error) {
	for i := range o.letters {
		l := &o.letters[i]
		if l.out && err != nil {
			x.dead[x.hash(l.record.id)] = l.key
		}
		if l.entry != nil {
			x.arrive(l.entry, &l.job, err)
		}
	}
}
