package lanes

// Bounds limit what a Set holds.
type Bounds struct {
	Jobs  int
	Bytes int64

	// PerJob and PerLane are what a job takes of Bytes besides its size, and a lane besides its jobs. A
	// driver whose jobs are in memory counts them.
	PerJob, PerLane int64

	// Index bounds what the Set itself takes, for a driver whose jobs are elsewhere: IndexJob for each
	// job and IndexLane for each lane with jobs, and the states of the others. 0: it is not bounded.
	Index               int64
	IndexJob, IndexLane int64
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
	l := s.lanes[lane]
	freeJobs, freeBytes := s.freeJobs(l == nil, b), b.Bytes-s.Held(b)
	size += b.PerJob
	if l == nil {
		size += b.PerLane
	}
	switch {
	case size > b.Bytes:
		return TooLarge
	case s.fails(lane) && (s.failing.jobs >= max(1, (s.jobs()+freeJobs)/2) || s.failing.held(b)+size > b.Bytes/2):
		return FailingFull
	case freeJobs < 1 || freeBytes < size:
		return Full
	case l != nil && (l.jobs/alpha >= freeJobs || usage{l.jobs, l.bytes}.held(b)/alpha >= freeBytes):
		return LaneFull
	}
	return Fits
}

// freeJobs returns how many more jobs there may be, the first of them in a new lane or not.
func (s *Set[T]) freeJobs(newLane bool, b Bounds) int {
	jobs := s.jobs()
	free := b.Jobs - jobs
	if b.Index == 0 {
		return free
	}
	index := b.Index - int64(jobs)*b.IndexJob - int64(len(s.lanes))*b.IndexLane - s.packed.bytes
	if newLane {
		index -= b.IndexLane
	}
	return min(free, int(index/b.IndexJob))
}

// Held returns how many bytes count for the bounds.
func (s *Set[T]) Held(b Bounds) int64 {
	held := usage{s.jobs(), s.bytes}.held(b)
	if b.PerLane > 0 {
		held += int64(len(s.lanes))*b.PerLane + s.packed.bytes
	}
	return held
}

// held returns how many bytes of jobs count for the bounds.
func (u usage) held(b Bounds) int64 { return u.bytes + int64(u.jobs)*b.PerJob }

// fails reports whether the lane of this name is Failing.
func (s *Set[T]) fails(lane string) bool {
	if l := s.lanes[lane]; l != nil {
		return l.health == Failing
	}
	p := s.packed.byName[lane]
	return p != nil && p.health() == Failing
}
