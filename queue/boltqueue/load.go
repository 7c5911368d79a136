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
	for _, name := range []string{metaBucket, jobsBucket, progressBucket, deadBucket, ackedBucket, lanesBucket} {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	t := q.index.tables(&q.opts)
	t.tx = tx
	if err := t.loadAll(); err != nil {
		return err
	}
	return errors.Join(
		t.meta().Put([]byte(formatKey), []byte(strconv.Itoa(format))),
		t.meta().Delete([]byte(closedKey)),
	)
}

func (t *tables) loadAll() error {
	x := t.x
	now := x.set.Now()
	if last, _ := t.jobs().Cursor().Last(); last != nil {
		x.nextSeq = number(last) &^ (1<<seqSpan - 1)
	}
	if n := t.meta().Get([]byte(droppedKey)); len(n) == 8 {
		x.dead.evicted = int64(binary.BigEndian.Uint64(n))
	}
	t.loadMarkers()
	if err := t.loadSettled(); err != nil {
		return err
	}
	t.loadDead(now)
	for _, seq := range t.loadJobs(t.meta().Get([]byte(closedKey)) == nil, now) {
		if err := t.addUnreadable(seq, now); err != nil {
			return err
		}
	}
	return t.loadLanes(now)
}

func (t *tables) loadMarkers() {
	c := t.acked().Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		var ids []marker
		for id := range strings.SplitSeq(string(v), "\n") {
			ids = append(ids, t.x.marker(id))
		}
		t.x.mark(number(k), ids)
	}
}

// loadDead reads the places of the dead letters. One that cannot be read is neither listed nor
// counted.
func (t *tables) loadDead(now time.Duration) {
	d := t.x.dead
	c := t.dead().Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		d.last = number(k)
		if r, data, err := decodeDead(v); err == nil {
			d.add(&deadLetter{key: d.last, hash: t.x.hash(r.id), size: int64(len(data)), at: t.x.at(r.at, now)}, r.lane)
		}
	}
}

// loadJobs makes the entries, in the order of their keys, which is their order in their lanes. It
// returns the keys of those that cannot be read.
func (t *tables) loadJobs(suspect bool, now time.Duration) (unreadable []uint64) {
	c := t.jobs().Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		r, data, err := decodeRecord(v)
		if err != nil {
			unreadable = append(unreadable, number(k))
			continue
		}
		p := decodeProgress(t.progress().Get(k))
		t.x.restore(&r, p, len(data), slot{seq: number(k), span: r.span, suspect: suspect}, now)
	}
	return unreadable
}

// restore makes the entry of a job in the file. The clock may have been wrong when the record was
// written, or may be wrong now: no job is younger than new, and no delay longer than it was.
func (x *index) restore(r *record, p progress, size int, s slot, now time.Duration) {
	e := x.set.New(r.lane, r.ordered, int64(size), s, now)
	x.known[x.hash(r.id)] = e
	to := lanes.Progress{
		Enqueued: x.at(r.enqueued, now),
		Attempts: int(p.attempts),
		First:    x.at(p.first, now),
		Tried:    p.first != 0,
		Returned: p.returned,
	}
	if p.due != 0 {
		to.Due = min(time.Duration(p.due-x.zero), now+min(time.Duration(p.delay), limits.Delay))
	}
	x.set.Restore(e, to, now)
}

// addUnreadable moves a job whose record cannot be read to the dead letters, so that it is seen, and
// tried once only. Its Data is all that the file has of it.
func (t *tables) addUnreadable(seq uint64, now time.Duration) error {
	value := t.jobs().Get(key(seq))
	_, _, err := decodeRecord(value)
	name := "unreadable-" + strconv.FormatUint(seq, 10)
	d := deadRecord{
		id: name, lane: name, reason: fmt.Sprintf("unreadable: %v", err), at: t.x.unix(now),
	}
	letter := t.x.addDead(&d, int64(len(value)), now)
	return errors.Join(t.dead().Put(key(letter.key), d.encode(value)), t.deleteJob(seq))
}
