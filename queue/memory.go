package queue

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// MemoryOptions configures a [Memory]. The zero value of every field is its default; a negative one is an error.
type MemoryOptions struct {
	// MaxJobs bounds the jobs that are ready, delayed or leased. Defaults to 100,000.
	MaxJobs int

	// MaxBytes bounds the Data of those jobs. Defaults to 64 MiB.
	MaxBytes int64

	// Lease is how long a lease lasts from Receive, and again from each Extend. Defaults to 30 seconds.
	Lease time.Duration

	// MaxDead bounds the number of dead letters. Defaults to 10,000.
	MaxDead int

	// MaxDeadBytes bounds the Data of the dead letters. Defaults to 64 MiB.
	MaxDeadBytes int64

	// MaxDeadAge is how long dead letters are kept. Defaults to 7 days.
	MaxDeadAge time.Duration
}

// withDefaults returns o with its zero fields filled in.
func (o MemoryOptions) withDefaults() MemoryOptions {
	setDefault(&o.MaxJobs, 100_000)
	setDefault(&o.MaxBytes, 64<<20)
	setDefault(&o.Lease, 30*time.Second)
	setDefault(&o.MaxDead, 10_000)
	setDefault(&o.MaxDeadBytes, 64<<20)
	setDefault(&o.MaxDeadAge, 7*24*time.Hour)
	return o
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// validate names the first field that cannot be used.
func (o MemoryOptions) validate() error {
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"MaxJobs", int64(o.MaxJobs)},
		{"MaxBytes", o.MaxBytes},
		{"Lease", int64(o.Lease)},
		{"MaxDead", int64(o.MaxDead)},
		{"MaxDeadBytes", o.MaxDeadBytes},
		{"MaxDeadAge", int64(o.MaxDeadAge)},
	} {
		if field.value < 0 {
			return fmt.Errorf("queue: MemoryOptions.%s is negative; it must be positive, or 0 for its default", field.name)
		}
	}
	return nil
}

// Memory is a queue in this process's memory. It keeps every rule of [Queue], dead letters and
// statistics included; what it holds is gone when the process ends. It starts no goroutine, and sets a
// timer only while a Receive waits.
//
// Its bounds are shared between the lanes so that none can fill the queue alone: a lane is given ErrFull when it
// holds 16 times the room that is still free. A lone lane gets 94 % of the queue that way, ten greedy ones get 9.9 %
// each, and there is always room for one that is quiet. (This is the dynamic threshold of shared-memory
// switches, Choudhury and Hahne, 1998.)
//
// Where the rules leave it open: a job that comes back after an attempt, a delay or an ended lease is the last of its lane,
// unless the lane is Ordered. The last 16,384 IDs that left the queue are known (E2), and so are those of dead letters.
type Memory struct {
	opts MemoryOptions

	mu     sync.Mutex
	closed bool

	// jobs has every job and dead letter by its ID, and nil for one that was settled lately.
	jobs    map[string]*memoryJob
	settled settledIDs

	lanes map[string]*lane // that hold any job
	ring  list[lane]       // lanes with a job to give, the next in turn in front
	aside list[lane]       // the same, but the last Receive that looked wanted none of them

	live     list[memoryJob] // ready, delayed and leased jobs by age, the oldest in front
	bytes    int64           // their Data
	ready    int             // how many are ready
	delayed  delays
	leased   list[memoryJob] // the first to end in front: all leases last equally long
	receipts uint64          // given so far

	dead        list[memoryJob] // the oldest in front
	deadBytes   int64
	deadDropped int64

	calls   uint64 // counts the takes, see lane.call
	waiters []*waiter
	sweep   int       // lanes set aside that the waiters have not been asked about
	armed   time.Time // when timer fires; zero if it does not
	timer   *time.Timer
}

var (
	_ Queue       = (*Memory)(nil)
	_ DeadLetters = (*Memory)(nil)
	_ StatsReader = (*Memory)(nil)
)

// memoryJob is a job and where it stands. Lane and list agree with its state at all times.
type memoryJob struct {
	Job
	node     node[memoryJob] // in lane.ready, Memory.leased or Memory.dead
	age      node[memoryJob] // in Memory.live
	lane     *lane           // nil when dead
	state    state
	taken    time.Time // by Enqueue
	attempts int
	first    time.Time
	receipt  string    // of the current lease
	begun    time.Time // the current lease
	due      time.Time // end of the lease or delay
	gone     time.Time // when it became a dead letter
	reason   string
}

func (j *memoryJob) size() int64 { return int64(len(j.Data)) }

type state uint8

const (
	ready state = iota
	delayed
	leased
	dead
)

// NewMemory makes an empty queue. The error names an option that cannot be used.
func NewMemory(o MemoryOptions) (*Memory, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	return &Memory{
		opts:  o.withDefaults(),
		jobs:  make(map[string]*memoryJob),
		lanes: make(map[string]*lane),
	}, nil
}

// Traits returns the lease's duration, and that the queue is ordered and its jobs never leave the process.
func (m *Memory) Traits() Traits {
	return Traits{Lease: m.opts.Lease, Ordered: true, InProcess: true}
}

// begin locks m and brings it up to date. Unless there is an error, end unlocks it.
func (m *Memory) begin() (now time.Time, err error) {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return now, ErrClosed
	}
	now = time.Now()
	m.expire(now)
	return now, nil
}

// end sees to it that waiting Receives notice what is due, and unlocks m.
func (m *Memory) end(now time.Time) {
	m.arm(now)
	m.mu.Unlock()
}

// Enqueue takes jobs, as many as there is room for. The job's Data is kept, not copied.
func (m *Memory) Enqueue(_ context.Context, jobs []Job) error {
	now, err := m.begin()
	if err != nil {
		return err
	}
	defer m.end(now)
	var failed *BatchError
	var refused map[string]bool // ordered lanes
	for i := range jobs {
		err := m.enqueue(&jobs[i], refused[jobs[i].Lane], now)
		if err == nil {
			continue
		}
		failed = failed.Fail(i, err)
		if jobs[i].Ordered {
			if refused == nil {
				refused = make(map[string]bool)
			}
			refused[jobs[i].Lane] = true
		}
	}
	return failed.Err()
}

// enqueue takes one job at the end of its lane. Behind says that an earlier job of its lane was refused.
func (m *Memory) enqueue(job *Job, behind bool, now time.Time) error {
	if _, known := m.jobs[job.ID]; known {
		return nil
	}
	if behind {
		return fmt.Errorf("an earlier job of the ordered lane %q was refused: %w", job.Lane, ErrFull)
	}
	l := m.lanes[job.Lane]
	if l == nil {
		l = newLane(job.Lane)
	}
	if err := m.room(l, int64(len(job.Data))); err != nil {
		return err
	}
	j := m.add(job, l, now)
	l.ready.pushBack(&j.node)
	m.place(l)
	return nil
}

// greed is how many times the free room a lane may hold.
const greed = 16

// room says why a job of this size does not fit into l, or nil.
func (m *Memory) room(l *lane, size int64) error {
	if size > m.opts.MaxBytes {
		return fmt.Errorf("%w: it has %d bytes, and the whole queue holds %d", ErrTooLarge, size, m.opts.MaxBytes)
	}
	freeJobs := m.opts.MaxJobs - m.live.len
	freeBytes := m.opts.MaxBytes - m.bytes
	if freeJobs < 1 || freeBytes < size {
		return ErrFull
	}
	if l.len() >= greed*freeJobs || l.bytes >= greed*freeBytes {
		return fmt.Errorf("lane %q holds its share: %w", l.name, ErrFull)
	}
	return nil
}

// add makes a ready job of l. The caller puts it into the lane's list.
func (m *Memory) add(job *Job, l *lane, now time.Time) *memoryJob {
	j := &memoryJob{Job: *job, lane: l, taken: now}
	j.node.item, j.age.item = j, j
	m.jobs[j.ID] = j
	if l.len() == 0 {
		m.lanes[l.name] = l
	}
	l.ordered = j.Ordered
	l.bytes += j.size()
	m.bytes += j.size()
	m.live.pushBack(&j.age)
	m.ready++
	return j
}

// drop takes a leased job out of its lane.
func (m *Memory) drop(j *memoryJob) {
	m.unlease(j)
	m.live.remove(&j.age)
	m.bytes -= j.size()
	j.lane.bytes -= j.size()
	m.place(j.lane)
	j.lane = nil
}

// Stats counts the jobs.
func (m *Memory) Stats(context.Context) (Stats, error) {
	now, err := m.begin()
	if err != nil {
		return Stats{}, err
	}
	defer m.end(now)
	m.dropDead(now)
	return Stats{
		Ready:       m.ready,
		Delayed:     m.delayed.Len(),
		Leased:      m.leased.len,
		Dead:        m.dead.len,
		Oldest:      m.oldest(now),
		Bytes:       m.bytes,
		DeadDropped: m.deadDropped,
	}, nil
}

// oldest returns the age of the oldest ready job. It passes over older ones that are leased or delayed.
func (m *Memory) oldest(now time.Time) time.Duration {
	for n := m.live.front; n != nil && m.ready > 0; n = n.next {
		if n.item.state == ready {
			return now.Sub(n.item.taken)
		}
	}
	return 0
}

// Close drops everything that the queue holds.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.timer != nil {
		m.timer.Stop()
	}
	m.wakeAll()
	m.jobs, m.lanes, m.delayed, m.settled = nil, nil, nil, settledIDs{}
	m.ring, m.aside = list[lane]{}, list[lane]{}
	m.live, m.leased, m.dead = list[memoryJob]{}, list[memoryJob]{}, list[memoryJob]{}
	return nil
}

// remembered is how many settled IDs are known.
const remembered = 1 << 14

// settledIDs is a ring of the IDs that were settled last.
type settledIDs struct {
	ids  []string
	next int // the oldest, once the ring is full
}

// push adds id and returns the one that it takes the place of, or "".
func (s *settledIDs) push(id string) (old string) {
	if len(s.ids) < remembered {
		s.ids = append(s.ids, id)
		return ""
	}
	old, s.ids[s.next] = s.ids[s.next], id
	s.next = (s.next + 1) % remembered
	return old
}
