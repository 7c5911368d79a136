package boltqueue

import (
	"hash/maphash"
	"math/bits"
	"strconv"
	"time"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/queue"
)

// seqSpan is the logarithm of the gap between the sequence numbers of two jobs, which is the room
// for what Replace puts in a job's place.
const seqSpan = 16

// slot is a job's place in the file.
type slot struct {
	seq     uint64 // its key
	span    uint8  // logarithm of the keys from seq on that are kept free for its parts
	suspect bool   // it was in a file that was not closed: it may be what killed the process
}

// entry is what memory keeps of a job: its place and its progress, neither its ID nor its Data.
// There is one for each job in the file, so its size matters.
type entry = lanes.Job[slot]

// idHash stands for a job's ID. It is made of two hashes with seeds of this process, so that two
// IDs never share one, by chance or by intent.
type idHash [2]uint64

// index is the state of the queue in memory, all but the jobs' Data. Open rebuilds it. Queue.mu
// guards it, and it changes after the file did, except for the states of lanes and the dead letters
// that leave, which change when the operation is admitted.
type index struct {
	seeds [2]maphash.Seed
	set   *lanes.Set[slot]
	clock func() time.Time // the wall clock
	// the set's time 0 by the wall clock as it is now, in Unix nanoseconds
	zero    int64
	known   map[idHash]*entry // nil for an ID that left the queue
	recent  recent
	nextSeq uint64
	markers []markerGroup // oldest first
	marked  int           // IDs in markers
	dead    *deadIndex
	ended   []*entry // their leases ended by themselves, which is not written yet
	lanes   laneRecords
	settled []settledJob // their numbers are in the file, and so are they
	purge   bool         // the next commit deletes them
	values  values
	closed  bool
}

func newIndex(lease time.Duration) *index {
	x := &index{
		seeds:  [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		set:    lanes.New[slot](lease),
		clock:  time.Now,
		known:  make(map[idHash]*entry),
		recent: recent{jobs: make(map[uint64]recentJob)},
		dead:   newDeadIndex(),
		lanes:  laneRecords{seen: make(map[string]int64), dirty: make(map[string]struct{})},
	}
	x.setClock()
	return x
}

// setClock reads the wall clock. It is read for each commit, because it may have been corrected.
func (x *index) setClock() { x.zero = x.clock().UnixNano() - int64(x.set.Now()) }

// unix converts a time of the set to Unix nanoseconds.
func (x *index) unix(at time.Duration) int64 { return x.zero + int64(at) }

// at converts Unix nanoseconds to a time of the set, at most now: the file tells of the past, and a
// later time is a clock's mistake.
func (x *index) at(unix int64, now time.Duration) time.Duration {
	return min(time.Duration(unix-x.zero), now)
}

// tick ends what has come to its end, and returns the time.
func (x *index) tick() time.Duration {
	now := x.set.Now()
	x.ended = append(x.ended, x.set.Tick(now)...)
	return now
}

func (x *index) hash(id string) idHash {
	return idHash{maphash.String(x.seeds[0], id), maphash.String(x.seeds[1], id)}
}

// has reports whether the ID is that of a job in the queue, of a dead letter, or of a marker.
func (x *index) has(h idHash) bool {
	_, known := x.known[h]
	return known || x.dead.byID[h] != nil
}

// add makes the entry of a new job, which is Pending.
func (x *index) add(h idHash, job *queue.Job, seq uint64, span uint8, now time.Duration) *entry {
	e := x.set.New(job.Lane, job.Ordered, int64(len(job.Data)), slot{seq: seq, span: span}, now)
	x.known[h] = e
	return e
}

// forget removes a new job that could not be written.
func (x *index) forget(e *entry, id string, now time.Duration) {
	delete(x.known, x.hash(id))
	x.set.Remove(e, now)
}

// newSeq returns the next sequence number.
func (x *index) newSeq() uint64 {
	x.nextSeq += 1 << seqSpan
	return x.nextSeq
}

// split returns the first sequence number, the distance and the span of n jobs that take s's place:
// they share the numbers that were kept free for it. It is false if there are too few.
func (s slot) split(n int) (seq, step uint64, span uint8, ok bool) {
	need := bits.Len(uint(max(n, 1) - 1))
	if need > int(s.span) {
		return 0, 0, 0, false
	}
	span = s.span - uint8(need)
	return s.seq, 1 << span, span, true
}

// current returns the entry that l is the current lease of, or nil. Its settlement may be under
// way.
func (x *index) current(l *queue.Lease) *entry {
	e := x.known[x.hash(l.ID)]
	if e == nil || e.State() != lanes.Leased && e.State() != lanes.Settling || e.Number() != receiptNumber(l.Receipt) {
		return nil
	}
	return e
}

// claim begins the settlement of a lease, which does not end while it is written. It returns nil if
// the lease is lost.
func (x *index) claim(l *queue.Lease, now time.Duration) *entry {
	e := x.current(l)
	if e == nil || e.State() != lanes.Leased {
		return nil
	}
	x.set.Begin(e)
	x.used(e.Lane().Name, now)
	return e
}

// receiptNumber returns the number of the lease that a receipt is for, or 0.
func receiptNumber(receipt string) uint64 {
	n, err := strconv.ParseUint(receipt, 36, 64)
	if err != nil {
		return 0
	}
	return n
}

// progress returns what the file is to keep of an entry's progress.
func (x *index) progress(e *entry) progress {
	p := progress{attempts: uint32(e.Attempts()), returned: e.Returned()}
	if first, ok := e.First(); ok {
		p.first = x.unix(first)
	}
	return p
}
