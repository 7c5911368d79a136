package scheduler

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// Scheduler runs the jobs of a queue.
//
// There is no dispatcher: pollers keep a few tasks ready for the workers, and a worker that is idle
// takes the first that may begin. Nothing of the queue or the handler is called with mu locked.
type Scheduler struct {
	q        queue.Queue
	h        Handler
	traits   queue.Traits
	workers  int
	pollers  int
	perWork  int // tasks that are prefetched for each worker
	epoch    time.Time
	acks     acker
	failures [operations]atomic.Int64 // of the queue's operations, in a row

	stopCtx      context.Context //nolint:containedctx // ends when no more tasks begin
	cancelStop   context.CancelFunc
	settleCtx    context.Context //nolint:containedctx // ends when nothing more may be asked of the queue
	cancelSettle context.CancelFunc
	background   sync.WaitGroup // workers, pollers and timers
	renewing     sync.WaitGroup

	mu        sync.Mutex
	taskReady sync.Cond // workers wait here
	roomFree  sync.Cond // pollers wait here
	acked     sync.Cond // workers wait here while too many acks are under way
	idle      int       // workers that wait
	stopped   bool      // no more tasks begin
	aborting  bool      // attempts are ended early

	tasks   list[Task] // all that are here
	waiting int        // received and not begun
	// of those, tasks of lanes that begin them one after the other, or may begin now
	soon      int
	running   int // begun, and neither settled nor unsettled
	unsettled int // delivered by workers that have gone on, and whose acks are under way
	bytes     int // data of those that wait
	classes   [healths]class
	turn      int64 // of the last task that has begun
	seq       uint64
	changes   uint64 // of lanes, by this process

	lanes         map[string]*lane
	lastLane      *lane
	lastContended time.Time // when two lanes last took turns

	// The lanes with tasks here, or with a hold of this process alone: those that may get no more
	// and the others. The rest is kept, within bounds, in case that it has tasks again.
	full, active, plain, memorable list[lane]

	receiving  int                // pollers in Receive
	watching   bool               // one of them brings only what lanes with few tasks here have
	watchAt    time.Time          // when the next one may begin that does
	reserved   int                // tasks that they may bring
	receiveCtx context.Context    //nolint:containedctx // of the pollers' calls
	refresh    context.CancelFunc // ends those Receives, whose Want is out of date
	refreshAt  time.Time          // when they are ended in any case; zero: not at all

	wakes   laneHeap // lanes that something happens to by time alone
	timer   *time.Timer
	timerAt time.Time // zero: not set

	suspicion suspicion
}

// class is what the lanes of one health have in common.
type class struct {
	limit    int      // tasks that may run at once
	prefetch int      // and that may wait besides
	lanes    laneHeap // that may begin a task now, by their turns
	running  int
	waiting  int
	ready    int // of those, tasks that may begin as far as their lanes are concerned
	reserved int // tasks that Receives under way may bring
}

const healths = int(queue.Failing) + 1

const (
	// prefetchFactor is how many tasks a worker are prefetched, so that it need not wait for the
	// queue's next answer. An at-most-once queue prefetches one, since a process that is killed
	// loses what it holds.
	prefetchFactor = 4

	// Tasks that cannot begin soon, because of their lane's rate limit say, do not count as
	// prefetched. So many are kept besides, or this many a worker if their data is large.
	maxBlocked      = 10_000
	maxBlockedBytes = 16 << 20
	blockedFactor   = 2

	// A lane is alone when no other had a task for this time. It may then use all workers; among
	// others it leaves them a quarter, so that they need not wait for its timeouts when it hangs.
	aloneAfter = 10 * time.Second

	// Records of lanes without tasks are kept up to these numbers.
	maxPlain     = 1 << 12 // nothing but the concurrency
	maxMemorable = 1 << 16 // failures, holds or a rate limit in use
)

// New makes a scheduler with a number of workers and of receive loops. Start starts it.
func New(q queue.Queue, workers, pollers int, h Handler) *Scheduler {
	s := &Scheduler{
		q: q, h: h, traits: q.Traits(), workers: max(1, workers), pollers: max(1, pollers),
		perWork: prefetchFactor, epoch: time.Now(), lanes: map[string]*lane{},
		wakes: laneHeap{of: wakePlace},
	}
	if s.traits.AtMostOnce {
		s.perWork = 1
	}
	for i, limit := range [healths]int{
		queue.Untried: max(1, s.workers/2), queue.Healthy: s.workers, queue.Failing: max(1, s.workers/4),
	} {
		s.classes[i] = class{limit: limit, prefetch: max(1, limit/2), lanes: laneHeap{of: turnPlace}}
	}
	s.taskReady.L, s.roomFree.L, s.acked.L = &s.mu, &s.mu, &s.mu
	s.acks.call = s.ackAll
	s.acks.spawn = func(f func()) { s.keep(&s.background, f) }
	s.stopCtx, s.cancelStop = context.WithCancel(context.Background())
	s.settleCtx, s.cancelSettle = context.WithCancel(context.Background())
	s.receiveCtx, s.refresh = context.WithCancel(context.Background())
	return s
}

// Start starts the workers.
func (s *Scheduler) Start() {
	s.keep(&s.renewing, s.renew)
	for range s.pollers {
		s.keep(&s.background, s.poll)
	}
	for range s.workers {
		s.keep(&s.background, s.work)
	}
}

// Idle reports whether no job is here, waiting or running. s may be nil.
func (s *Scheduler) Idle() bool {
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tasks.len == 0
}

// SetRate has a lane keep another rate limit from now on.
func (s *Scheduler) SetRate(lane string, r Rate) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[lane]
	if l == nil || !l.rate.set(r, now) {
		return
	}
	s.update(l, now)
	s.wake()
}

// Suspect reports whether this process suspects itself: its attempts to several hosts all failed
// before anything was sent.
func (s *Scheduler) Suspect() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.suspicion.on
}

// share returns how many workers one lane may use.
func (s *Scheduler) share(now time.Time) int {
	if now.Sub(s.lastContended) > aloneAfter {
		return s.workers
	}
	return max(1, s.workers-s.workers/4)
}
