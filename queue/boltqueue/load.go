package boltqueue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/internal/limits"
)

// load makes the buckets that are missing, and reads the index.
func (q *Queue) load(tx *bbolt.Tx) error {
	if err := checkFormat(tx); err != nil {
		return err
	}
	for _, name := range []string{metaBucket, jobsBucket, dataBucket, deadBucket, ackedBucket, lanesBucket} {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	t := q.index.tables(&q.opts)
	t.open(tx)
	if err := t.loadAll(); err != nil {
		return err
	}
	return errors.Join(
		t.meta.Put([]byte(formatKey), []byte(strconv.Itoa(format))),
		t.meta.Delete([]byte(closedKey)),
	)
}

func (t *tables) loadAll() error {
	x := t.x
	now := x.set.Now()
	if last, _ := t.data.Cursor().Last(); last != nil {
		x.nextSeq = number(last) &^ (1<<seqSpan - 1)
	}
	if n := t.meta.Get([]byte(droppedKey)); len(n) == 8 {
		x.dead.evicted = int64(binary.BigEndian.Uint64(n))
	}
	t.loadMarkers()
	t.loadDead(now)
	unreadable, err := t.loadJobs(t.meta.Get([]byte(closedKey)) == nil, now)
	if err != nil {
		return err
	}
	for _, seq := range unreadable {
		if err := t.addUnreadable(seq, now); err != nil {
			return err
		}
	}
	return t.loadLanes(now)
}

func (t *tables) loadMarkers() {
	c := t.acked.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		t.x.mark(number(k), strings.Split(string(v), "\n"))
	}
}

// loadDead reads the places of the dead letters. One that cannot be read is neither listed nor
// counted.
func (t *tables) loadDead(now time.Duration) {
	d := t.x.dead
	c := t.dead.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		d.last = number(k)
		if r, err := decodeDead(v); err == nil {
			d.add(&deadLetter{key: d.last, hash: t.x.hash(r.id), size: int64(r.size), at: t.x.at(r.at, now)}, r.lane)
		}
	}
}

// loadJobs makes the entries, in the order of their keys, which is their order in their lanes. It
// returns the keys of those that cannot be read.
func (t *tables) loadJobs(suspect bool, now time.Duration) (unreadable []uint64, err error) {
	c := t.jobs.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		r, err := decodeRecord(v)
		if err != nil {
			unreadable = append(unreadable, number(k))
			continue
		}
		if n := len(t.data.Get(k)); n != int(r.size) {
			return nil, fmt.Errorf("%w: job %s has %d bytes of %d", errDamaged, r.id, n, r.size)
		}
		t.x.restore(&r, slot{seq: number(k), span: r.span, suspect: suspect}, now)
	}
	return unreadable, nil
}

// restore makes the entry of a job in the file. The clock may have been wrong when the record was
// written, or may be wrong now: no job is younger than new, and no delay longer than it was.
func (x *index) restore(r *record, s slot, now time.Duration) {
	e := x.set.New(r.lane, r.ordered, int64(r.size), s, now)
	x.known[x.hash(r.id)] = e
	p := lanes.Progress{
		Enqueued: x.at(r.enqueued, now),
		Attempts: int(r.attempts),
		First:    x.at(r.first, now),
		Tried:    r.first != 0,
		Returned: r.returned,
	}
	if r.due != 0 {
		p.Due = min(time.Duration(r.due-x.zero), now+min(time.Duration(r.delay), limits.Delay))
	}
	x.set.Restore(e, p, now)
}

// addUnreadable moves a record that cannot be read to the dead letters, so that it is seen, and
// tried once only.
func (t *tables) addUnreadable(seq uint64, now time.Duration) error {
	_, err := decodeRecord(t.jobs.Get(key(seq)))
	name := "unreadable-" + strconv.FormatUint(seq, 10)
	d := deadRecord{
		id: name, lane: name, reason: fmt.Sprintf("unreadable: %v", err), at: t.x.unix(now),
		data: seq, size: uint32(len(t.data.Get(key(seq)))),
	}
	if err := t.jobs.Delete(key(seq)); err != nil {
		return err
	}
	return t.dead.Put(key(t.x.addDead(&d, now).key), d.encode())
}
