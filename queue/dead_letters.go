package queue

import (
	"context"
	"time"
)

// DeadLetter is a job that was given up, and why.
type DeadLetter struct {
	Job
	Reason   string    // a short stable word first, such as "gone" or "bad_signature: …"
	Attempts int       // leases that counted as attempts, the last one included
	First    time.Time // when the first of them began
	At       time.Time // when the job was given up
}

// DeadLetters is implemented by drivers that can list their dead letters, which all drivers of this
// module except None can.
//
//	D3  A replay is a new job, the one given: the last of its lane, with no Attempts, a zero First and a new Age.
//	    The dead letter is gone. Both happen in one step where the store allows it.
//	D4  Replay and Discard skip an ID that is not there, and return how many were.
type DeadLetters interface {
	// DeadLetters lists up to limit dead letters, oldest first, that come after the one whose ID is
	// after; "" begins with the oldest.
	DeadLetters(ctx context.Context, after string, limit int) ([]DeadLetter, error)

	// Replay puts a new job in the place of each of these dead letters, on its lane.
	Replay(ctx context.Context, letters []Replayed) (int, error)

	// Discard forgets the dead letters with these IDs.
	Discard(ctx context.Context, ids []string) (int, error)
}
