package lanes

// Bounds limit what a Set holds.
type Bounds struct {
	Jobs  int
	Bytes int64
}

// Room is whether a job fits.
type Room uint8

const (
	// Fits reports that there is room.
	Fits Room = iota
	// TooLarge reports that the job is larger than all bounds.
	TooLarge
	// Full reports that the Set is full.
	Full
	// LaneFull reports that the lane holds its share.
	LaneFull
	// FailingFull reports that the Failing lanes hold their share (H7).
	FailingFull
)

// alpha is how many times the free room one lane may hold, so that one lane cannot fill the Set: a
// lone lane gets 94 % of it, ten greedy ones 9.9 % each, and there is always room for a quiet one.
// (Choudhury and Hahne, "Dynamic queue length thresholds", 1998.)
const alpha = 16

// Room reports whether a job of this lane and size fits within the bounds.
func (s *Set[T]) Room(lane string, size int64, b Bounds) Room {
	jobs, bytes := s.Jobs()
	freeJobs, freeBytes := b.Jobs-jobs, b.Bytes-bytes
	l := s.lanes[lane]
	switch {
	case size > b.Bytes:
		return TooLarge
	case l != nil && l.health == Failing && (s.failing.jobs >= max(1, b.Jobs/2) || s.failing.bytes+size > b.Bytes/2):
		return FailingFull
	case freeJobs < 1 || freeBytes < size:
		return Full
	case l != nil && (l.jobs/alpha >= freeJobs || l.bytes/alpha >= freeBytes):
		return LaneFull
	}
	return Fits
}
