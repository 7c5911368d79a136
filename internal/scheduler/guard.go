package scheduler

import (
	"runtime/debug"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// keep runs f in a goroutine of the group, and again when the goroutine has ended before f
// returned: by a panic, or by a callback (runtime.Goexit).
func (s *Scheduler) keep(group *sync.WaitGroup, f func()) {
	group.Add(1)
	go func() {
		defer group.Done()
		returned := false
		defer func() {
			if returned {
				return
			}
			if v := recover(); v != nil { // the queue's, or a mistake of this package
				s.panicked(nil, v, Result{})
				queueBackoff.sleep(s.stopCtx, 100) // the longest pause
			}
			if s.settleCtx.Err() == nil {
				s.keep(group, f)
			}
		}()
		f()
		returned = true
	}()
}

// unopened takes the place of a job that the handler could not open.
type unopened struct{}

func (unopened) Rate() Rate     { return Rate{} }
func (unopened) Run() Result    { return Result{Action: Retry, Counted: true, Reason: "panic"} }
func (unopened) Settled(Result) {}

// handled returns j as a Handler knows it.
func handled(j Job) Job {
	if _, ok := j.(unopened); ok {
		return nil
	}
	return j
}

// recovered is deferred around what the handler and its jobs do.
func (s *Scheduler) recovered(j Job) {
	if v := recover(); v != nil {
		s.panicked(j, v, Result{})
	}
}

// panicked tells the handler of a panic, and returns its result, or the given one if the handler
// panics again.
func (s *Scheduler) panicked(j Job, v any, otherwise Result) (r Result) {
	stack := debug.Stack()
	defer func() {
		if recover() != nil { // nobody is left to tell
			r = otherwise
		}
	}()
	return s.h.Panicked(handled(j), v, stack)
}

// open opens t's job. Whatever becomes of that, t.job can be used afterwards.
func (s *Scheduler) open(t *Task) {
	t.job = unopened{}
	defer s.recovered(t.job)
	if j := s.h.Open(t); j != nil {
		t.job = j
	}
}

// rateOf returns the rate limit of t's lane.
func (s *Scheduler) rateOf(t *Task) (r Rate) {
	defer s.recovered(t.job)
	return t.job.Rate()
}

// run makes t's attempt. r is its result, also when Run ends the goroutine.
func (s *Scheduler) run(t *Task, r *Result) {
	returned := false
	defer func() {
		if !returned {
			*r = s.panicked(t.job, recover(), *r)
		}
	}()
	*r = t.job.Run()
	returned = true
}

// panicDelay returns the delay of a job whose Run has panicked.
func panicDelay(t *Task) time.Duration { return doubled(time.Second, t.Lease.Attempts, time.Minute) }

func (s *Scheduler) settled(t *Task, r Result) {
	defer s.recovered(t.job)
	t.job.Settled(r)
}

func (s *Scheduler) leaseLost(t *Task) {
	defer s.recovered(t.job)
	if j := handled(t.job); j != nil {
		s.h.LeaseLost(j)
	}
}

func (s *Scheduler) laneChanged(lane string, from, to LaneState) {
	if from == to {
		return
	}
	defer s.recovered(nil)
	s.h.LaneChanged(lane, from, to)
}

// operation is a call of the queue whose failures are counted.
type operation int

const (
	opReceive operation = iota
	opExtend
	opSettle
	opRelease
	opSetLane
	operations = int(opSetLane) + 1
)

func (o operation) String() string {
	return [operations]string{"receive", "extend", "settle", "release", "set lane"}[o]
}

// failed tells the handler that an operation has failed, and returns how often in a row.
func (s *Scheduler) failed(o operation, err error) int {
	n := int(s.failures[o].Add(1))
	defer s.recovered(nil)
	s.h.QueueFailed(o.String(), n, err)
	return n
}

// worked tells the handler that an operation has worked, if it had failed. It is called last,
// because the handler may end the goroutine.
func (s *Scheduler) worked(o operation) {
	if s.failures[o].Load() != 0 && s.failures[o].Swap(0) != 0 {
		defer s.recovered(nil)
		s.h.QueueWorks(o.String())
	}
}

// normal returns r with what the scheduler can use.
func normal(r Result) Result {
	if r.Action > Drop {
		r.Action = Retry
	}
	if r.Evidence > Unsent {
		r.Evidence = None
	}
	r.Delay, r.Hold = max(0, r.Delay), min(max(0, r.Hold), maxHold)
	if r.Action == Split && len(r.Parts) == 0 {
		r.Action, r.Counted, r.Delay = Retry, true, max(r.Delay, time.Second)
	}
	return r
}

// known returns h, or Untried for a health that there is not.
func known(h queue.Health) queue.Health {
	if h < 0 || int(h) >= healths {
		return queue.Untried
	}
	return h
}
