package queue

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Errors that every driver returns, to be matched with errors.Is.
var (
	// ErrFull is returned when the queue, or the job's lane, has no room for the job now. The job
	// was not taken; it may be offered again later.
	ErrFull = errors.New("queue is full")

	// ErrLaneFailing is returned when a job's lane is Failing and the failing lanes hold their
	// share of the store (rule H7). It wraps ErrFull.
	ErrLaneFailing = fmt.Errorf("the failing lanes hold their share: %w", ErrFull)

	// ErrLaneUntried is returned when a job's lane is Untried and the lanes that are not Healthy
	// hold their share of the store (rule H7). It wraps ErrFull.
	ErrLaneUntried = fmt.Errorf("the lanes that have not worked yet hold their share: %w", ErrFull)

	// ErrTooLarge is returned when a job can never be taken: its Data is larger than this queue
	// carries.
	ErrTooLarge = errors.New("job is too large for this queue")

	// ErrLeaseLost is returned when the receipt is not that of the job's current lease: the lease
	// ended and another process may have the job, or the job was settled. Nothing was changed.
	ErrLeaseLost = errors.New("lease lost")

	// ErrLaneHealthy is returned by SetLane when the lane has succeeded after the lease that the
	// update is about began (rule H4). Nothing was changed.
	ErrLaneHealthy = errors.New("lane has succeeded since")

	// ErrClosed is returned when the queue was closed.
	ErrClosed = errors.New("queue is closed")
)

// BatchError says which of several jobs failed; the others succeeded.
type BatchError struct {
	// Failed holds each failed job's error by its index in the slice that was given.
	Failed map[int]error
}

// Error tells how many failed, which one is the first, and why.
func (e *BatchError) Error() string {
	if len(e.Failed) == 0 {
		return "none of the batch failed"
	}
	first := slices.Min(slices.Collect(maps.Keys(e.Failed)))
	if len(e.Failed) == 1 {
		return fmt.Sprintf("index %d failed: %v", first, e.Failed[first])
	}
	return fmt.Sprintf("%d of the batch failed, the first at index %d: %v", len(e.Failed), first, e.Failed[first])
}

// Unwrap returns every job's error, so that errors.Is finds any of them.
func (e *BatchError) Unwrap() []error {
	errs := make([]error, 0, len(e.Failed))
	for _, err := range e.Failed {
		errs = append(errs, err)
	}
	return errs
}

// Fail notes that the job at index i failed, making the BatchError if there is none yet.
// It is how drivers build one: start with a nil *BatchError and return Err at the end.
func (e *BatchError) Fail(i int, err error) *BatchError {
	if e == nil {
		e = &BatchError{Failed: make(map[int]error)}
	}
	e.Failed[i] = err
	return e
}

// Err returns e as an error, or nil if nothing failed. It may be called on nil.
func (e *BatchError) Err() error {
	if e == nil || len(e.Failed) == 0 {
		return nil
	}
	return e
}

// ErrorOf returns what a call's error says of the job at index i: err itself, unless err is a
// *BatchError, which says it of each job.
func ErrorOf(err error, i int) error {
	if err == nil {
		return nil
	}
	var batch *BatchError
	if errors.As(err, &batch) {
		return batch.Failed[i]
	}
	return err
}
