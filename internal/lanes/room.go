package lanes

// Bounds limit what a Set holds.
type Bounds struct {
	Jobs  int
	Bytes int64

	// PerJob and PerLane are what a job takes of Bytes besides its size, and a lane besides its
	// jobs. A driver whose jobs are in memory counts them.
	PerJob, PerLane int64

	// Index bounds what the Set itself takes, for a driver whose jobs are elsewhere: IndexJob for
	// each job and IndexLane for each lane with jobs, and the states of the others. 0: it is not
	// bounded.
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
	// FailingFull reports that the job's lane is Failing and those hold their share (H7).
	FailingFull
	// UntriedFull reports that the job's lane is Untried and the lanes that are not Healthy hold
	// their share (H7).
	UntriedFull
)

// alpha is how many times the free room one lane may hold, so that one lane cannot fill the Set: a
// lone lane gets 94 % of it, ten greedy ones 9.9 % each, and there is always room for a quiet one.
// (Choudhury and Hahne, "Dynamic queue length thresholds", 1998.)
const alpha = 16

// doubtfulAlpha is the same for all lanes together that are not Healthy: 97 % of the Set. However
// many they are, there is room for those that work, and for one more beside a lone lane.
const doubtfulAlpha = 32

// Room reports whether a job of this lane and size fits within the bounds.
func (s *Set[T]) Room(lane string, size int64, b Bounds) Room {
	l, health := s.lanes[lane], s.healthOf(lane)
	freeJobs, freeBytes := s.freeJobs(l == nil, b), b.Bytes-s.Held(b)
	size += b.PerJob
	if l == nil {
		size += b.PerLane
	}
	switch {
	case size > b.Bytes:
		return TooLarge
	case health == Failing && (s.held[Failing].jobs >= max(1, (s.jobs()+freeJobs)/2) || s.held[Failing].held(b)+size > b.Bytes/2):
		return FailingFull
	case freeJobs < 1 || freeBytes < size:
		return Full
	case l != nil && l.usage().fills(b, alpha, freeJobs, freeBytes):
		return LaneFull
	case health != Healthy && s.doubtful().fills(b, doubtfulAlpha, freeJobs, freeBytes):
		return notHealthyFull(health)
	}
	return Fits
}

func notHealthyFull(h Health) Room {
	if h == Failing {
		return FailingFull
	}
	return UntriedFull
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

// doubtful returns what the lanes hold that are not Healthy.
func (s *Set[T]) doubtful() usage {
	u := s.held[Untried]
	u.add(s.held[Failing], 1)
	return u
}

// fills reports whether u is alpha times the room that is free.
func (u usage) fills(b Bounds, alpha, freeJobs int, freeBytes int64) bool {
	return u.jobs/alpha >= freeJobs || u.held(b)/int64(alpha) >= freeBytes
}

// Held returns how many bytes count for the bounds.
func (s *Set[T]) Held(b Bounds) int64 {
	held := usage{jobs: s.jobs(), bytes: s.bytes}.held(b)
	if b.PerLane > 0 {
		held += int64(len(s.lanes))*b.PerLane + s.packed.bytes
	}
	return held
}

// held returns how many bytes count for the bounds.
func (u usage) held(b Bounds) int64 {
	return u.bytes + int64(u.jobs)*b.PerJob + int64(u.lanes)*b.PerLane
}

// healthOf returns the health of the lane of this name.
func (s *Set[T]) healthOf(lane string) Health {
	if l := s.lanes[lane]; l != nil {
		return l.health
	}
	if p := s.packed.byName[lane]; p != nil {
		return p.health()
	}
	return Untried
}
