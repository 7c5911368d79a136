package boltqueue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// The file's buckets.
const (
	metaBucket  = "meta"  // the keys below
	jobsBucket  = "jobs"  // sequence number: record
	dataBucket  = "data"  // sequence number: Data
	deadBucket  = "dead"  // number: dead record
	ackedBucket = "acked" // number: IDs, a line each
)

// Keys of the meta bucket.
const (
	formatKey  = "format"  // version of the file's format, in decimal
	closedKey  = "closed"  // there if the file was closed
	droppedKey = "dropped" // dead letters that gave way, 8 bytes
)

const format = 1

// Open opens the queue in the file at path, and makes the file, readable by its owner alone, if there
// is none. Its directory must exist. The queue is to be closed with [Queue.Close].
//
// The error names the file, and says whether it is in use (by another process or by another Queue of this
// one), is no queue, is damaged, or was written by a later version.
func Open(path string, o Options) (*Queue, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := checkPath(path); err != nil {
		return nil, err
	}
	if err := inspect(path); err != nil {
		return nil, openError(path, err)
	}
	options := boltOptions()
	options.MaxSize = o.maxFile
	db, err := openBolt(path, options)
	if err != nil {
		return nil, openError(path, err)
	}
	q := &Queue{opts: o.withDefaults(), path: path, db: db, inbox: newInbox(), index: newIndex()}
	if err := guard(func() error { return db.Update(q.load) }); err != nil {
		return nil, openError(path, errors.Join(err, db.Close()))
	}
	go q.run()
	return q, nil
}

// lockWait is as good as not waiting for a lock; bbolt takes 0 for waiting for ever.
const lockWait = time.Nanosecond

func boltOptions() *bbolt.Options {
	return &bbolt.Options{
		Timeout:        lockWait,
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
		NoStatistics:   true,
	}
}

// checkPath finds the mistakes that the operating system describes badly.
func checkPath(path string) error {
	if path == "" {
		return errors.New("boltqueue: path is empty; it must name the queue's file")
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("boltqueue: path %s is a directory; it must name a file in it", path)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("boltqueue: path %s: its directory must exist: %w", path, err)
	}
	return nil
}

var (
	errNotQueue = errors.New("it is not a file of this package")
	errDamaged  = errors.New("it is damaged")
	errInUse    = errors.New("it is in use by another process, or by another Queue of this one; it can have one at a time")
)

func openError(path string, err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		err = errInUse
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		err = fmt.Errorf("%w: %w", errNotQueue, err)
	}
	return fmt.Errorf("boltqueue: open %s: %w", path, err)
}

// inspect looks at an existing file before it is opened for writing, since bbolt ends the process when
// it comes across a damaged page then.
func inspect(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	options := boltOptions()
	options.ReadOnly = true
	db, err := openBolt(path, options)
	if err != nil {
		return err
	}
	return errors.Join(guard(func() error { return db.View(walk) }), db.Close())
}

// openBolt opens a database, and leaves no lock behind if it cannot.
func openBolt(path string, options *bbolt.Options) (db *bbolt.DB, err error) {
	var file *os.File
	options.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}
	err = guard(func() error {
		db, err = bbolt.Open(path, 0o600, options)
		return err
	})
	if err != nil && file != nil {
		file.Close() //nolint:errcheck // bbolt has closed it, unless it panicked
	}
	return db, err
}

// guard calls f and turns its panics, those for pages beyond the end of the file included, into errors.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if damage := recover(); damage != nil {
			err = fmt.Errorf("%w: %v", errDamaged, damage)
		}
	}()
	return f()
}

// walk visits every page of the file, along the leaves and down from the root to every key.
func walk(tx *bbolt.Tx) error {
	if err := checkFormat(tx); err != nil {
		return err
	}
	return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
		leaves, root := b.Cursor(), b.Cursor()
		var last []byte
		for k, v := leaves.First(); k != nil; k, v = leaves.Next() {
			found, _ := root.Seek(k)
			isBucket := v == nil // there are none in buckets
			if isBucket || bytes.Compare(k, last) <= 0 || !bytes.Equal(k, found) {
				return fmt.Errorf("%w: key %x of bucket %q is not where it belongs", errDamaged, k, name)
			}
			last = k
		}
		return nil
	})
}

// checkFormat says whether the file is one of ours, or has nothing in it yet.
func checkFormat(tx *bbolt.Tx) error {
	meta := tx.Bucket([]byte(metaBucket))
	if meta == nil {
		if k, _ := tx.Cursor().First(); k != nil {
			return fmt.Errorf("%w: it has a bucket %q and no %q", errNotQueue, k, metaBucket)
		}
		return nil
	}
	version, err := strconv.Atoi(string(meta.Get([]byte(formatKey))))
	switch {
	case err != nil:
		return fmt.Errorf("%w: its bucket %q has no format", errNotQueue, metaBucket)
	case version > format:
		return fmt.Errorf("its format is %d, of a later version of this package; this one reads up to %d", version, format)
	}
	return nil
}

// load makes the buckets that are missing, and reads the index.
func (q *Queue) load(tx *bbolt.Tx) error {
	if err := checkFormat(tx); err != nil {
		return err
	}
	for _, name := range []string{metaBucket, jobsBucket, dataBucket, deadBucket, ackedBucket} {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	t := &tables{x: q.index, opts: &q.opts}
	t.open(tx)
	if err := q.loadAll(t); err != nil {
		return err
	}
	return errors.Join(
		t.meta.Put([]byte(formatKey), []byte(strconv.Itoa(format))),
		t.meta.Delete([]byte(closedKey)),
	)
}

func (q *Queue) loadAll(t *tables) error {
	x := q.index
	if last, _ := t.data.Cursor().Last(); last != nil {
		x.nextSeq = number(last) &^ (1<<seqSpan - 1)
	}
	t.loadMarkers()
	t.loadDead()
	unreadable, err := t.loadJobs(t.meta.Get([]byte(closedKey)) == nil)
	if err != nil {
		return err
	}
	for _, seq := range unreadable {
		if err := t.buryUnreadable(seq); err != nil {
			return err
		}
	}
	if n := t.meta.Get([]byte(droppedKey)); len(n) == 8 {
		x.dropped = int64(binary.BigEndian.Uint64(n))
	}
	t.apply(x)
	return nil
}

func (t *tables) loadMarkers() {
	c := t.acked.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		t.x.mark(number(k), strings.Split(string(v), "\n"))
	}
}

func (t *tables) loadDead() {
	c := t.dead.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if d, err := decodeDead(v); err == nil {
			t.x.dead[t.x.hash(d.id)] = number(k)
		}
	}
}

// loadJobs makes the entries, in the order of their keys, so that each lane's heap is in order. It returns the
// keys of those that cannot be read.
func (t *tables) loadJobs(suspect bool) (unreadable []uint64, err error) {
	now := time.Now().UnixNano()
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
		e := t.x.restore(number(k), &r)
		e.suspect = suspect
		if r.due > now {
			e.at = r.due - now
			t.x.move(e, delayed)
		} else {
			e.at = int64(e.seq)
			t.x.move(e, ready)
		}
	}
	return unreadable, nil
}

// restore makes the entry of a job in the file.
func (x *index) restore(seq uint64, r *record) *entry {
	e := &entry{
		lane: x.lane(r.lane), seq: seq, span: r.span, size: r.size, timer: -1,
		enqueued: r.enqueued, attempts: r.attempts, first: r.first,
	}
	e.lane.ordered = r.ordered
	x.known[x.hash(r.id)] = e
	x.count[pending]++
	x.account(e, 1)
	return e
}

// buryUnreadable moves a record that cannot be read to the dead letters, so that it is seen and tried once only.
func (t *tables) buryUnreadable(seq uint64) error {
	_, err := decodeRecord(t.jobs.Get(key(seq)))
	name := "unreadable-" + strconv.FormatUint(seq, 10)
	d := deadRecord{id: name, lane: name, reason: fmt.Sprintf("unreadable: %v", err), at: time.Now().UnixNano(), data: seq}
	if err := t.jobs.Delete(key(seq)); err != nil {
		return err
	}
	return t.bury(&d)
}

// markClosed notes that the file is closed, and counts the leases that end with it.
func (q *Queue) markClosed(tx *bbolt.Tx) error {
	t := &tables{x: q.index, opts: &q.opts}
	t.open(tx)
	for _, e := range slices.Concat(q.index.timers, timerHeap(q.index.lapsed)) {
		if e.state == delayed {
			continue
		}
		if e.state == leased {
			e.attempts++
			e.fresh = false
		}
		if err := t.noteProgress(e.seq, e.progress(0)); err != nil {
			return err
		}
	}
	return t.meta.Put([]byte(closedKey), []byte("yes"))
}
