package boltqueue

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// The file's buckets.
const (
	metaBucket     = "meta"     // the keys below
	jobsBucket     = "jobs"     // sequence number: record and Data
	progressBucket = "progress" // sequence number of a job that has some: progress
	deadBucket     = "dead"     // number: dead record and Data
	ackedBucket    = "acked"    // number: IDs, a line each
	lanesBucket    = "lanes"    // lane: lane record
)

// Keys of the meta bucket.
const (
	formatKey  = "format"  // version of the file's format, in decimal
	closedKey  = "closed"  // there if the file was closed
	droppedKey = "dropped" // dead letters that were evicted, 8 bytes
	settledKey = "settled" // sequence numbers of jobs that have left the queue, 8 bytes each
)

// format is the version of the file's format that this package reads and writes.
const format = 3

// Open opens the queue in the file at path, and makes the file, readable by its owner alone, if
// there is none. Its directory must exist. The caller closes the queue with [Queue.Close].
//
// The error names the file, and tells whether it is in use ([ErrInUse]), is no queue, is damaged, or
// was written by an earlier or a later version. Open does not change such a file.
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
	db, file, err := openBolt(path, options)
	if err != nil {
		return nil, openError(path, err)
	}
	o = o.withDefaults()
	q := &Queue{opts: o, path: path, store: newStore(db, file), inbox: newInbox(), index: newIndex(o.Lease)}
	q.index.set.LimitIdle(o.bounds().Index / 2)
	if err := q.store.update(q.load); err != nil {
		return nil, openError(path, errors.Join(err, q.store.close()))
	}
	if err := o.syncDir(filepath.Dir(path)); err != nil {
		err = fmt.Errorf("its directory cannot be synced, so that a loss of power may lose the file: %w", err)
		return nil, openError(path, errors.Join(err, q.store.close()))
	}
	warnNetwork(o.Logger, path, filesystem(filepath.Dir(path)))
	go q.run()
	return q, nil
}

// lockWait is how long a lock is waited for. A process that is just being started, by any goroutine,
// has a copy of the lock that inspect has given back, until it executes its program.
const lockWait = time.Second

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
	switch info, err := os.Stat(path); {
	case err != nil: // Open makes it, or tells why it cannot
	case info.IsDir():
		return fmt.Errorf("boltqueue: path %s is a directory; it must name a file in it", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("boltqueue: path %s is no regular file (its mode is %s); it must name one", path, info.Mode())
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("boltqueue: path %s: its directory must exist: %w", path, err)
	}
	return nil
}

// ErrInUse is returned by [Open] when another process, or another Queue of this one, has the file
// open.
var ErrInUse = errors.New("it is in use by another process, or by another Queue of this one; it can have one at a time")

var (
	errNotQueue = errors.New("it is not a file of this package")
	errDamaged  = errors.New("it is damaged")
)

func openError(path string, err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		err = ErrInUse
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrVersionMismatch), errors.Is(err, berrors.ErrChecksum):
		err = fmt.Errorf("%w: %w", errNotQueue, err)
	}
	return fmt.Errorf("boltqueue: open %s: %w", path, err)
}

// inspect looks at an existing file before it is opened for writing.
func inspect(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil
	}
	if err := inspectMeta(path); err != nil {
		return err
	}
	options := boltOptions()
	options.ReadOnly = true
	db, file, err := openBolt(path, options) // which locks the file
	if err != nil {
		return err
	}
	return errors.Join(inspectPages(db, file), db.Close())
}

// inspectMeta looks at the meta pages of a file that may be in use.
func inspectMeta(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	_, err = readMeta(f, info.Size())
	return err
}

// inspectPages looks at all pages of a file that is locked.
func inspectPages(db *bbolt.DB, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := verify(file, info.Size()); err != nil {
		return err
	}
	return guard(func() error { return db.View(checkFormat) })
}

// openBolt opens a database, and leaves no lock behind if it cannot.
func openBolt(path string, options *bbolt.Options) (db *bbolt.DB, file *os.File, err error) {
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
	return db, file, err
}

// checkFormat returns an error unless the file is one of ours, or has nothing in it yet.
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
		return fmt.Errorf("its format is %d, of a later version of this package; this one reads %d", version, format)
	case version < format:
		return fmt.Errorf("its format is %d, of an earlier version of this package; this one reads %d: "+
			"let the earlier version deliver what it holds, and begin with a new file", version, format)
	}
	return nil
}
