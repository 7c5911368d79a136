package boltqueue

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"

	"go.etcd.io/bbolt"
)

// store runs the transactions. A panic of bbolt, also that of a page that is no longer in the file,
// is an error, and ends the store: bbolt may have kept locks and lost track of its pages, so it is
// not called again.
type store struct {
	db   *bbolt.DB
	file *os.File // of db

	broken chan struct{} // closed at the first damage
	once   sync.Once
	err    error // the damage
}

func newStore(db *bbolt.DB, file *os.File) *store {
	return &store{db: db, file: file, broken: make(chan struct{})}
}

// view runs a transaction that reads.
func (s *store) view(f func(tx *bbolt.Tx) error) error {
	return s.run(func() error { return s.db.View(f) })
}

// update runs a transaction that writes. It is not bbolt's Update, which after a panic reads the
// whole file in a goroutine of its own, where a second panic ends the process.
func (s *store) update(f func(tx *bbolt.Tx) error) error {
	return s.run(func() error {
		tx, err := s.db.Begin(true)
		if err != nil {
			return err
		}
		if err := f(tx); err != nil {
			tx.Rollback() //nolint:errcheck // it has no error to tell
			return err
		}
		return tx.Commit()
	})
}

// run calls f unless there was damage.
func (s *store) run(f func() error) error {
	if err := s.damage(); err != nil {
		return err
	}
	panicked, err := guarded(f)
	if panicked {
		s.once.Do(func() {
			s.err = err
			close(s.broken)
		})
	}
	return err
}

// damage returns the error of the transaction that panicked, if one did.
func (s *store) damage() error {
	select {
	case <-s.broken:
		return s.err
	default:
		return nil
	}
}

// close closes the file. After damage that is all that can be done; what is mapped of it stays so.
func (s *store) close() error {
	if s.damage() != nil {
		return s.file.Close()
	}
	return guard(s.db.Close)
}

// guard calls f and turns its panics into errors.
func guard(f func() error) error {
	_, err := guarded(f)
	return err
}

// guarded calls f and turns its panics, those for pages beyond the end of the file included, into
// errors.
func guarded(f func() error) (panicked bool, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if damage := recover(); damage != nil {
			panicked, err = true, fmt.Errorf("%w: %v", errDamaged, damage)
		}
	}()
	return false, f()
}
