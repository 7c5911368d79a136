package boltqueue

import (
	"container/heap"
	"container/list"
	"hash/maphash"
	"math"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// state says where a job is between Enqueue and its end.
type state uint8

const (
	pending  state = iota // being written by Enqueue; nobody sees it yet
	ready                 // in its lane's heap
	delayed               // until entry.at
	leased                // until entry.at
	settling              // leased, and its settlement is being written
	gone                  // settled
	states   = iota
)

// seqSpan is the logarithm of the gap between the sequence numbers of two jobs, which is the
// room for what Replace puts in a job's place.
const seqSpan = 16

// entry is what memory keeps of a job: its place and its progress, neither its ID nor its Data.
// There is one for each job in the file, so its size matters.
type entry struct {
	lane     *lane
	seq      uint64 // the job's key in the file, and its place in the lane unless it is put in front
	enqueued int64  // Unix nanoseconds
	first    int64  // the same; while fresh, when the current lease began
	at       int64  // when the lease or the delay ends, on the index's clock; while ready, the place in the lane
	lease    uint64 // number of the current lease
	size     uint32 // of Data
	attempts uint32
	timer    int32 // place in the timers, -1 for none
	state    state
	span     uint8
	fresh    bool // first is zero unless the current lease ends in more than a release
	suspect  bool // was in a file that was not closed: it may be what killed the process
}

// progress is what a settlement that gives the job back writes to the file.
func (e *entry) progress(due int64) progress {
	p := progress{attempts: e.attempts, first: e.first, due: due}
	if e.fresh {
		p.first = 0
	}
	return p
}

// lane is a webhook's jobs.
type lane struct {
	name    string
	ordered bool
	ready   laneHeap
	jobs    int           // entries of any state
	bytes   int64         // their Data
	busy    int           // entries that are delayed, leased or settling
	taken   int           // jobs taken from it by the pick that runs
	place   *list.Element // in the ring, nil if nothing can be received
}

// idHash stands for a job's ID. It is made of two hashes with seeds of this process, so that two IDs never
// share one, by chance or by intent.
type idHash [2]uint64

// index is the state of the queue in memory, all but the jobs' Data. It is rebuilt when the file is
// opened, is guarded by Queue.mu, and changes after the file did.
type index struct {
	seeds   [2]maphash.Seed
	known   map[idHash]*entry // nil for an acked job
	lanes   map[string]*lane
	recent  recent
	ring    *list.List // lanes that have something to receive, the next one first
	timers  timerHeap
	count   [states]int
	bytes   int64
	nextSeq uint64
	front   int64  // place of the last job that was put in front of its lane
	lastNo  uint64 // of the last lease; starts at random, so that receipts of an earlier process are stale
	base    time.Time
	markers []markerGroup     // oldest first
	marked  int               // IDs in markers
	dead    map[idHash]uint64 // keys of the dead letters
	dropped int64             // dead letters that gave way
	eldest  int64             // when the oldest dead letter was given up, or earlier; Unix nanoseconds
	lapsed  []*entry          // leases that ended by themselves and are not written yet
	signal  chan struct{}     // closed when something becomes ready
	waiting bool              // somebody waits for signal
	closed  bool
}

func newIndex() *index {
	return &index{
		seeds:  [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		known:  make(map[idHash]*entry),
		lanes:  make(map[string]*lane),
		recent: recent{jobs: make(map[uint64]recentJob)},
		ring:   list.New(),
		lastNo: rand.Uint64() >> 1,
		base:   time.Now(),
		dead:   make(map[idHash]uint64),
		signal: make(chan struct{}),
	}
}

func (x *index) hash(id string) idHash {
	return idHash{maphash.String(x.seeds[0], id), maphash.String(x.seeds[1], id)}
}

// now is the time on the index's clock, which no change of the wall clock moves.
func (x *index) now() int64 { return int64(time.Since(x.base)) }

// has says whether the ID is that of a job in the queue, of a dead letter, or of a marker.
func (x *index) has(h idHash) bool {
	_, known := x.known[h]
	_, dead := x.dead[h]
	return known || dead
}

// live is the number of jobs in the queue.
func (x *index) live() int {
	return x.count[pending] + x.count[ready] + x.count[delayed] + x.count[leased] + x.count[settling]
}

// add makes the entry of a new job, in state pending.
func (x *index) add(h idHash, job *queue.Job, seq uint64, span uint8) *entry {
	e := &entry{lane: x.lane(job.Lane), seq: seq, span: span, size: uint32(len(job.Data)), timer: -1}
	e.enqueued = time.Now().UnixNano()
	e.lane.ordered = job.Ordered
	x.known[h] = e
	x.count[pending]++
	x.account(e, 1)
	return e
}

// account counts the entry n times.
func (x *index) account(e *entry, n int) {
	e.lane.jobs += n
	e.lane.bytes += int64(n) * int64(e.size)
	x.bytes += int64(n) * int64(e.size)
}

// newSeq returns the next sequence number.
func (x *index) newSeq() uint64 {
	x.nextSeq += 1 << seqSpan
	return x.nextSeq
}

// split returns the first sequence number, the distance and the span of n jobs that take e's place: they
// share the numbers that were kept free for e. It is false if there are too few.
func (e *entry) split(n int) (seq, step uint64, span uint8, ok bool) {
	need := bits.Len(uint(max(n, 1) - 1))
	if need > int(e.span) {
		return 0, 0, 0, false
	}
	span = e.span - uint8(need)
	return e.seq, 1 << span, span, true
}

func (x *index) lane(name string) *lane {
	l := x.lanes[name]
	if l == nil {
		l = &lane{name: name}
		x.lanes[name] = l
	}
	return l
}

// remove forgets an entry; the caller sees to x.known.
func (x *index) remove(e *entry) {
	x.move(e, gone)
	x.account(e, -1)
	if e.lane.jobs == 0 {
		delete(x.lanes, e.lane.name)
	}
}

// move brings an entry into another state. One that is ready leaves it by being taken (see pick).
func (x *index) move(e *entry, to state) {
	if e.timer >= 0 {
		heap.Remove(&x.timers, int(e.timer))
	}
	e.lane.busy += busy(to) - busy(e.state)
	x.count[e.state]--
	x.count[to]++
	e.state = to
	switch to {
	case ready:
		heap.Push(&e.lane.ready, e)
		x.wake()
	case delayed, leased:
		heap.Push(&x.timers, e)
		if e.timer == 0 {
			x.wake() // it ends before all that the others wait for
		}
	}
	x.seat(e.lane)
}

// again makes a job ready that was delayed or leased: at its old place, or if none may overtake it, the first.
func (x *index) again(e *entry) {
	if e.lane.ordered {
		x.first(e)
		return
	}
	e.at = int64(e.seq)
	x.move(e, ready)
}

// first makes a job ready that is to be the next of its lane.
func (x *index) first(e *entry) {
	x.front--
	e.at = x.front
	x.move(e, ready)
}

// busy is 1 for the states that keep an ordered lane from being received.
func busy(s state) int {
	if s == delayed || s == leased || s == settling {
		return 1
	}
	return 0
}

// seat puts the lane into the ring or takes it out.
func (x *index) seat(l *lane) {
	open := len(l.ready) > 0 && (!l.ordered || l.busy == 0)
	switch {
	case open && l.place == nil:
		l.place = x.ring.PushBack(l)
		x.wake()
	case !open && l.place != nil:
		x.ring.Remove(l.place)
		l.place = nil
	}
}

// wake makes every Receive that waits look again.
func (x *index) wake() {
	if x.waiting {
		close(x.signal)
		x.signal, x.waiting = make(chan struct{}), false
	}
}

// tick ends the delays and leases whose time has come.
func (x *index) tick() {
	now := x.now()
	for len(x.timers) > 0 && x.timers[0].at <= now {
		e := x.timers[0]
		if e.state == leased {
			e.attempts++
			e.fresh = false
			x.lapsed = append(x.lapsed, e)
		}
		x.again(e)
	}
}

// held returns the entry whose current lease the receipt is for, or nil.
func (x *index) held(id, receipt string) *entry {
	e := x.known[x.hash(id)]
	if e == nil || e.state != leased {
		return nil
	}
	var buf [16]byte
	if string(strconv.AppendUint(buf[:0], e.lease, 36)) != receipt {
		return nil
	}
	return e
}

// release undoes a lease.
func (x *index) release(e *entry) {
	if e.fresh {
		e.first, e.fresh = 0, false
	}
	x.first(e)
}

// oldest is when the oldest ready job was enqueued, in Unix nanoseconds, 0 for none.
func (x *index) oldest() int64 {
	at := int64(math.MaxInt64)
	for _, l := range x.lanes {
		at = min(at, l.ready.oldest(0))
	}
	if at == math.MaxInt64 {
		return 0
	}
	return at
}
