package queue

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/pushhooks/webhook/internal/lanes"
)

// Memory is a queue in this process's memory. It keeps every rule of [Queue], dead letters, lane
// lists and statistics included; what it holds is gone when the process ends. It starts no goroutine,
// and sets a timer only while a Receive waits.
//
// Its bounds are shared between the lanes so that none can fill the queue alone: a lane gets ErrFull
// when it holds 16 times the room that is still free. A lone lane gets 94 % of the queue that way, ten
// greedy ones get 9.9 % each, and there is always room for one that is quiet. (This is the dynamic
// threshold of shared-memory switches, Choudhury and Hahne, 1998.)
//
// The last 16,384 IDs that left the queue are known (E2), fewer where it is nearly full, and so are those
// of dead letters.
type Memory struct {
	opts   MemoryOptions
	bounds lanes.Bounds

	mu     sync.Mutex
	closed bool
	set    *lanes.Set[Job]
	ids    map[string]memoryID // every ID that is known
	left   recentIDs           // of those, the ones that left the queue
	dead   deadLetters

	refused refusal
}

// memoryID is what is known of an ID: a job, a dead letter, or, with neither, one that left.
type memoryID struct {
	job    *memoryJob
	letter *deadLetter
	number uint64 // of the dead letter that it was; 0 if it was none
}

type memoryJob = lanes.Job[Job]

var (
	_ Queue       = (*Memory)(nil)
	_ DeadLetters = (*Memory)(nil)
	_ LaneLister  = (*Memory)(nil)
	_ StatsReader = (*Memory)(nil)
)

// NewMemory makes an empty queue. The error names an option that cannot be used.
func NewMemory(o MemoryOptions) (*Memory, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	m := &Memory{
		opts:   o,
		bounds: lanes.Bounds{Jobs: o.MaxJobs, Bytes: o.MaxBytes, PerJob: jobBytes, PerLane: laneBytes},
		set:    lanes.New[Job](o.Lease),
		ids:    make(map[string]memoryID),
		dead:   deadLetters{byLane: make(map[string]*deadLane)},
	}
	m.set.LimitIdle(o.MaxBytes / idleShare)
	return m, nil
}

// What is counted for the bounds in bytes, besides Data: records, indexes, IDs and what the allocator
// rounds up. A benchmark measures it.
const (
	jobBytes    = 400
	laneBytes   = 768 // a scheduler keeps records of the lanes too
	letterBytes = 640
	idBytes     = 144 // of an ID that left and is remembered
)

// The states of lanes without jobs take half of MaxBytes at most, which is room for the 100,000 of H6
// by default, and the IDs that left count for an eighth at most.
const (
	idleShare = 2
	idShare   = 8
)

// roomBounds returns the bounds on jobs, less what the IDs that left take.
func (m *Memory) roomBounds() lanes.Bounds {
	b := m.bounds
	b.Bytes -= min(b.Bytes/idShare, int64(len(m.left.ids))*idBytes)
	return b
}

// hasFree reports whether at least this part of the room for jobs is free. The IDs that left take no more
// than that, or jobs of lanes that fail, which stay for long, and IDs would together leave no room.
func (m *Memory) hasFree(part int64) bool {
	b := m.roomBounds()
	return m.set.Held(b) <= b.Bytes-b.Bytes/part
}

// Traits returns the lease's duration, and that the queue is ordered and its jobs never leave the
// process.
func (m *Memory) Traits() Traits {
	return Traits{Lease: m.opts.Lease, Ordered: true, InProcess: true, SharedLanes: true}
}

// begin locks m and brings it up to date. Unless there is an error, the caller unlocks it.
func (m *Memory) begin() (now time.Duration, err error) {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return 0, ErrClosed
	}
	now = m.set.Now()
	m.set.Tick(now)
	return now, nil
}

// Enqueue takes jobs, as many as there is room for. The job's Data is kept, not copied.
func (m *Memory) Enqueue(_ context.Context, jobs []Job) error {
	now, err := m.begin()
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
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

// refusal is why the last job was refused that a lane had no room for. The lane's next one gets the same
// error, so that refusing a backlog words it once.
type refusal struct {
	lane string
	room lanes.Room
	err  error
}

// enqueue takes one job at the end of its lane. Behind reports that an earlier job of its lane was
// refused.
func (m *Memory) enqueue(job *Job, behind bool, now time.Duration) error {
	if _, known := m.ids[job.ID]; known {
		return nil
	}
	if behind {
		return fmt.Errorf("an earlier job of the ordered lane %q was refused: %w", job.Lane, ErrFull)
	}
	if err := m.room(job); err != nil {
		return err
	}
	m.set.Enter(m.add(job, now))
	return nil
}

// add makes a job that is not in its lane yet.
func (m *Memory) add(job *Job, now time.Duration) *memoryJob {
	j := m.set.New(job.Lane, job.Ordered, int64(len(job.Data)), *job, now)
	m.ids[job.ID] = memoryID{job: j}
	return j
}

// room returns why a job does not fit, or nil.
func (m *Memory) room(job *Job) error {
	room := m.set.Room(job.Lane, int64(len(job.Data)), m.roomBounds())
	switch room {
	case lanes.Fits:
		return nil
	case lanes.TooLarge:
		return fmt.Errorf("%w: it has %d bytes, and the whole queue has room for %d", ErrTooLarge, len(job.Data), m.opts.MaxBytes)
	case lanes.Full:
		return ErrFull
	}
	if m.refused.lane != job.Lane || m.refused.room != room {
		m.refused = refusal{job.Lane, room, laneRefusal(job.Lane, room)}
	}
	return m.refused.err
}

// laneRefusal words why a lane has no room.
func laneRefusal(lane string, room lanes.Room) error {
	switch room {
	case lanes.FailingFull:
		return fmt.Errorf("lane %q: %w", lane, ErrLaneFailing)
	case lanes.UntriedFull:
		return fmt.Errorf("lane %q: %w", lane, ErrLaneUntried)
	}
	return fmt.Errorf("lane %q holds its share: %w", lane, ErrFull)
}

// Receive leases ready jobs, one of each lane in turn.
func (m *Memory) Receive(ctx context.Context, w Want) ([]Lease, error) {
	if w.Max < 1 {
		return nil, fmt.Errorf("queue: Want.Max is %d; it must be at least 1", w.Max)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for {
		leases, waiter, err := m.takeOrWait(w)
		if waiter == nil {
			return leases, err
		}
		err = waiter.Until(ctx)
		m.mu.Lock()
		m.set.Leave(waiter)
		m.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
}

// takeOrWait returns leases, or a waiter that is woken when there may be some.
func (m *Memory) takeOrWait(w Want) ([]Lease, *lanes.Waiter, error) {
	now, err := m.begin()
	if err != nil {
		return nil, nil, err
	}
	defer m.mu.Unlock()
	jobs := m.set.Take(lanes.Want(w), now)
	if len(jobs) == 0 {
		return nil, m.set.Wait(lanes.Want(w), now), nil
	}
	leases := make([]Lease, len(jobs))
	for i, j := range jobs {
		leases[i] = m.lease(j, now)
	}
	return leases, nil, nil
}

// lease returns the lease of a job that was just taken.
func (m *Memory) lease(j *memoryJob, now time.Duration) Lease {
	l := j.Lane()
	lease := Lease{
		Job: j.Value, Receipt: strconv.FormatUint(j.Number(), 36), Attempts: j.Attempts(),
		Until: m.set.Time(j.Until()), Health: Health(l.Health()), Probe: l.IsProbe(j), Holds: l.Holds(),
		Age: now - j.Enqueued(),
	}
	if first, ok := j.First(); ok {
		lease.First = m.set.Time(first)
	}
	return lease
}

// Stats counts the jobs.
func (m *Memory) Stats(context.Context) (Stats, error) {
	now, err := m.begin()
	if err != nil {
		return Stats{}, err
	}
	defer m.mu.Unlock()
	m.evict()
	_, size := m.set.Jobs()
	return Stats{
		Ready:       m.set.Count(lanes.Ready),
		Delayed:     m.set.Count(lanes.Delayed),
		Leased:      m.set.Count(lanes.Leased),
		Dead:        m.dead.all.Len(),
		Held:        m.set.OnHold(),
		Oldest:      m.set.Oldest(now),
		Bytes:       size,
		DeadDropped: m.dead.evicted,
	}, nil
}

// Close drops everything that the queue holds.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.set.WakeAll()
	m.set, m.ids, m.left, m.dead = lanes.New[Job](m.opts.Lease), nil, recentIDs{}, deadLetters{}
	return nil
}

// remembered is how many IDs that left are known, at most and in a queue that is nearly full.
const (
	remembered     = 1 << 14
	rememberedFull = 1 << 8
)

// recentIDs is a ring of the IDs that left last.
type recentIDs struct {
	ids  []string
	next int // the oldest, once the ring is full
}

// push adds id and returns the one that it takes the place of, or "". With grows there may be one more
// of them.
func (r *recentIDs) push(id string, grows bool) (old string) {
	if r.next == 0 && len(r.ids) < remembered && (grows || len(r.ids) < rememberedFull) {
		r.ids = append(r.ids, id)
		return ""
	}
	old, r.ids[r.next] = r.ids[r.next], id
	r.next = (r.next + 1) % len(r.ids)
	return old
}

// forget notes that an ID left the queue. If it was a dead letter, number is its number.
func (m *Memory) forget(id string, number uint64) {
	m.ids[id] = memoryID{number: number}
	if old := m.left.push(id, m.hasFree(idShare)); old != "" {
		delete(m.ids, old)
	}
}
