package queuetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook/queue"
)

var loadChecks = []check{
	{"Stats", "CountsTheJobs", func(r *rig) {
		s, ok := r.q.(queue.StatsReader)
		if !ok || r.h.Lacks.Stats || r.q.Traits().AtMostOnce {
			return
		}
		jobs := append(r.jobs("a", 3), r.jobs("b", 3)...)
		r.enqueue(jobs...)
		leases := r.take(5)
		r.nack(leases[0], time.Hour, false)
		r.kill(leases[1], "gone")
		r.ack(leases[2])
		got, err := s.Stats(r.Context())
		r.must("Stats", err)
		want := queue.Stats{Ready: 1, Delayed: 1, Leased: 2, Dead: 1, Oldest: got.Oldest, Bytes: got.Bytes}
		if got != want {
			r.breaks("Stats returned %+v; want %+v", got, want)
		}
		if size := int64(4 * len(jobs[0].Data)); got.Bytes != 0 && got.Bytes != size {
			r.breaks("Stats.Bytes is %d; want %d", got.Bytes, size)
		}
		if got.Oldest < 0 || got.Oldest > time.Minute {
			r.breaks("Stats.Oldest is %v", got.Oldest)
		}
	}},
	{"Stats", "HeldLanesAreToldFromOthers", func(r *rig) {
		s, ok := r.q.(queue.StatsReader)
		if !ok || r.h.Lacks.Stats || r.q.Traits().AtMostOnce {
			return
		}
		r.enqueue(r.jobs("a", 3)...)
		r.sleep(r.ageTime())
		r.enqueue(r.job("b"))
		enqueued := time.Now()
		check := func(ready, held int, young bool) {
			got, err := s.Stats(r.Context())
			r.must("Stats", err)
			if got.Ready != ready || got.Held != held {
				r.breaks("Stats has %d ready jobs, %d of them held; want %d and %d", got.Ready, got.Held, ready, held)
			}
			if limit := time.Since(enqueued) + r.grace(); young != (got.Oldest <= limit) {
				r.breaks("Stats.Oldest is %v; of the lane that is not held it is at most %v", got.Oldest, limit)
			}
		}
		check(4, 0, false)
		r.hold("a", longHold, byHand)
		check(4, 3, true)
		r.makeUntried("a")
		check(4, 0, false)
	}},
	{"Load", "EveryJobIsSettledOnce", func(r *rig) { newLoad(r).run() }},
	{"Load", "ProbesAreAlone", func(r *rig) { newProbing(r).run() }},
	{"Load", "RandomOperationsAgreeWithAModel", func(r *rig) { newModel(r).run() }},
	{"Load", "RandomOperationsOnTwoHandlesAgreeWithAModel", func(r *rig) {
		if r.pairUp() {
			newModel(r).run()
		}
	}},
}

// load is many producers and consumers on one queue.
type load struct {
	*rig
	ctx       context.Context
	cancel    context.CancelFunc
	total     int64
	settled   atomic.Int64
	producers sync.WaitGroup
	consumers sync.WaitGroup

	mu   sync.Mutex
	held map[string]time.Time // jobs that a consumer has, and until when
	done map[string]bool      // jobs that were settled
}

const (
	loadWorkers = 4
	loadJobs    = 100 // of each producer
	loadLanes   = 10
)

func newLoad(r *rig) *load {
	r.rule = "A1" // unless another is said to be broken
	l := &load{rig: r, total: loadWorkers * loadJobs, held: make(map[string]time.Time), done: make(map[string]bool)}
	l.ctx, l.cancel = context.WithTimeout(r.Context(), 2*r.patience())
	return l
}

// run produces and consumes until everything is settled.
func (l *load) run() {
	defer l.cancel()
	for i := range loadWorkers {
		l.producers.Go(func() { l.produce(i) })
		q := l.q
		if l.h.Another != nil && i%2 == 1 {
			q = l.h.Another(l.T, l.q)
			l.closeLater(q)
		}
		l.consumers.Go(func() { l.consume(q, rand.New(rand.NewPCG(l.h.Seed, uint64(i)))) })
	}
	l.producers.Wait()
	l.consumers.Wait()
	if n := l.settled.Load(); n != l.total {
		l.breaksRule("L3", "%d of %d jobs were settled within %v (seed %d)", n, l.total, 2*l.patience(), l.h.Seed)
	}
	if !l.Failed() {
		l.none(l.quiet(), "all jobs were settled")
	}
}

// produce enqueues jobs, a few at a time.
func (l *load) produce(producer int) {
	for n := 0; n < loadJobs; n += 5 {
		jobs := make([]queue.Job, 5)
		for i := range jobs {
			id := fmt.Sprintf("load-%d-%03d", producer, n+i)
			lane := fmt.Sprintf("lane-%d", (n+i)%loadLanes)
			jobs[i] = queue.Job{ID: id, Lane: lane, Data: []byte(id)}
		}
		if err := l.q.Enqueue(l.ctx, jobs); err != nil {
			l.breaksRule("E1", "Enqueue: %v", err)
			l.cancel()
		}
	}
}

// consume receives and settles until nothing is left.
func (l *load) consume(q queue.Queue, rnd *rand.Rand) {
	for l.ctx.Err() == nil {
		leases, err := q.Receive(l.ctx, queue.Want{Max: 7, MaxPerLane: 3, MaxUntried: 7, MaxFailing: 7})
		if err != nil && l.ctx.Err() == nil {
			l.breaksRule("R1", "Receive: %v", err)
			l.cancel()
		}
		for _, lease := range leases {
			l.received(lease)
		}
		for _, lease := range leases {
			l.settle(q, lease, rnd)
		}
	}
}

// received notes that a consumer has a job.
func (l *load) received(lease queue.Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done[lease.ID] {
		l.breaksRule("A1", "%q was received after it had been settled", lease.ID)
	}
	if until, held := l.held[lease.ID]; held && time.Now().Before(until) {
		l.breaksRule("L1", "%q was received while another consumer had it", lease.ID)
	}
	l.held[lease.ID] = lease.Until
}

// settle gives a job back, or finishes it.
func (l *load) settle(q queue.Queue, lease queue.Lease, rnd *rand.Rand) {
	dice := rnd.IntN(10)
	if l.q.Traits().AtMostOnce && dice == 1 {
		dice = 9 // a counted Nack would drop the job
	}
	finished := dice > 2
	l.mu.Lock()
	delete(l.held, lease.ID) // before the call, since another may have the job when it returns
	if finished {
		l.done[lease.ID] = true
	}
	l.mu.Unlock()
	if err := l.call(q, lease, dice); err != nil {
		l.breaksRule("L2", "a settlement within the lease: %v", err)
		l.cancel()
		return
	}
	if finished && l.settled.Add(1) == l.total {
		l.cancel()
	}
}

func (l *load) call(q queue.Queue, lease queue.Lease, dice int) error {
	ctx := l.Context()
	switch dice {
	case 0:
		return q.Release(ctx, []queue.Lease{lease})
	case 1:
		return q.Nack(ctx, []queue.Nack{{Lease: lease, Counted: true}})
	case 2:
		return q.Nack(ctx, []queue.Nack{{Lease: lease, Delay: l.h.Delay}})
	case 3:
		return q.DeadLetter(ctx, lease, "gone")
	default:
		return q.Ack(ctx, []queue.Lease{lease})
	}
}
