package flatqueue

import "time"

// Options tells what the store does, and how much of it is used. All fields are needed but those
// that say so.
type Options struct {
	// Lease is for how long Store.Receive hides a message, and each renewal again.
	Lease time.Duration

	// MaxHidden is how long the store hides a message at most, counted from its receive. 0 is no
	// limit.
	MaxHidden time.Duration

	// Wait is how long a Store.Receive waits for a message.
	Wait time.Duration

	// CloseGrace is how long Close lets receive calls go on before it cuts them short, where one
	// that is cut short may have taken messages that nobody sees until Lease has passed. Optional.
	CloseGrace time.Duration

	// Groups reports that the store keeps an ordered lane in order, and returns none of its
	// messages while one of them is hidden. Optional.
	Groups bool

	// OwnRetry reports that a failed job is left to what remains of its lease, unless its delay is
	// longer. Optional.
	OwnRetry bool

	// MaxJobBytes is queue.Traits.MaxJobBytes. Optional.
	MaxJobBytes int

	// Pollers is how many Store.Receive calls may run at once, and Batch how many messages each
	// asks for at most.
	Pollers, Batch int

	// ParkedJobs and ParkedBytes bound what is received but not wanted yet. One round of receive
	// calls can exceed ParkedBytes.
	ParkedJobs  int
	ParkedBytes int64
}
