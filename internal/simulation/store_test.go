package simulation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// store is the queue that all nodes share. It watches what goes through and knows by itself what
// the rules of the lanes' state demand.
type store struct {
	*queue.Memory
	w *world

	mu     sync.Mutex
	lanes  map[string]*laneModel
	leases map[string]*leaseModel // by receipt
	jobs   map[string]*jobModel
	stored map[string]map[int]bool // events by webhook that the queue has taken
}

// laneModel is what the rules say of a lane.
type laneModel struct {
	health    queue.Health
	since     time.Time // of health
	held      bool
	holdBegan time.Time
	heldUntil time.Time // without a probe
	probe     *leaseModel
	acked     time.Time // the begin of the latest lease that was acked
}

type leaseModel struct {
	job     string
	lane    string
	began   time.Time
	until   time.Time
	probe   bool
	settled bool
}

// jobModel is what is known of a job.
type jobModel struct {
	lane   string
	ready  time.Time // Enqueue
	begun  bool      // it was leased and not released
	events int
}

func newStore(w *world) *store {
	m, err := queue.NewMemory(queue.MemoryOptions{MaxJobs: 1_000_000, MaxBytes: 1 << 32, MaxDead: 1_000_000, MaxDeadBytes: 1 << 32})
	if err != nil {
		panic(err)
	}
	return &store{
		Memory: m, w: w, lanes: map[string]*laneModel{}, leases: map[string]*leaseModel{},
		jobs: map[string]*jobModel{}, stored: map[string]map[int]bool{},
	}
}

// lane returns the model of a lane. The store is locked.
func (s *store) lane(name string) *laneModel {
	l := s.lanes[name]
	if l == nil {
		l = &laneModel{}
		s.lanes[name] = l
	}
	return l
}

// enqueued notes what the queue has taken.
func (s *store) enqueued(jobs []queue.Job, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, j := range jobs {
		if queue.ErrorOf(err, i) != nil {
			continue
		}
		body, _, _ := bytes.Cut(j.Data, []byte("\n"))
		events := eventsOf(body)
		if s.jobs[j.ID] == nil {
			s.jobs[j.ID] = &jobModel{lane: j.Lane, ready: time.Now(), events: len(events)}
		}
		if s.stored[j.Lane] == nil {
			s.stored[j.Lane] = map[int]bool{}
		}
		for _, ev := range events {
			s.stored[j.Lane][ev] = true
		}
	}
}

// received checks what a Receive returned.
func (s *store) received(leases []queue.Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, l := range leases {
		lane := s.lane(l.Lane)
		j := s.jobs[l.ID]
		if j == nil { // a part of a job
			j = &jobModel{lane: l.Lane, ready: now, begun: true}
			s.jobs[l.ID] = j
		}
		if l.Attempts > 0 {
			j.begun = true
		}
		m := &leaseModel{job: l.ID, lane: l.Lane, began: now, until: l.Until, probe: l.Probe}
		s.checkHold(lane, m, now)
		if l.Probe {
			lane.probe = m
		}
		s.leases[l.Receipt] = m
	}
}

// checkHold holds a lease against H2.
func (s *store) checkHold(lane *laneModel, m *leaseModel, now time.Time) {
	p := lane.probe
	switch {
	case m.probe && p != nil && !p.settled && now.Before(p.until) && lane.held:
		s.w.fail("lane %q has two probes: job %s while job %s has its lease until %v", m.lane, m.job, p.job, s.w.since(p.until))
	case !m.probe && lane.held && lane.holdBegan.Before(now) && (p == nil || !p.settled || p.began.Before(lane.holdBegan)):
		s.w.fail("lane %q yields job %s although it is held since %v", m.lane, m.job, s.w.since(lane.holdBegan))
	case m.probe && lane.held && now.Before(lane.heldUntil) && (p == nil || p.began.Before(lane.holdBegan)):
		s.w.fail("lane %q yields a probe at %v although it is held until %v", m.lane, s.w.since(now), s.w.since(lane.heldUntil))
	}
}

// settled notes the end of a lease. The store is locked, over the call too: what the call makes
// ready must not be noted as received before.
func (s *store) settled(l queue.Lease, err error, acked, counted bool) {
	m := s.leases[l.Receipt]
	if m == nil || err != nil {
		return
	}
	m.settled = true
	lane, now := s.lane(m.lane), time.Now()
	if acked {
		if m.began.After(lane.acked) {
			lane.acked = m.began
		}
		if lane.health != queue.Healthy {
			lane.health, lane.since = queue.Healthy, now
		}
		if lane.held && m.began.After(lane.holdBegan) {
			lane.held = false
		}
	}
	if counted {
		s.jobs[m.job].begun = true
	}
}

// laneSet holds a SetLane and its result against H3 and H4. The store is locked, as for settled.
func (s *store) laneSet(u queue.LaneUpdate, err error) {
	lane, now := s.lane(u.Lane), time.Now()
	if u.Hold > 2*time.Minute {
		s.w.fail("lane %q is held for %v, more than 2 minutes", u.Lane, u.Hold)
	}
	since := s.leases[u.Since.Receipt]
	switch {
	case u.Health == queue.Untried:
		*lane = laneModel{since: now}
		return
	case since != nil && lane.acked.After(since.began) && err == nil:
		s.w.fail("lane %q became failing although a job that was leased later has been acked (H4)", u.Lane)
	case errors.Is(err, queue.ErrLaneHealthy):
		if since == nil || lane.acked.Before(since.began) {
			s.w.fail("lane %q is said to have succeeded, and has not", u.Lane)
		}
		return
	case err != nil:
		return
	case since != nil && lane.held && since.began.Before(lane.holdBegan):
		return // H3
	}
	if lane.health != queue.Failing {
		lane.health, lane.since = queue.Failing, now
	}
	if u.Hold > 0 {
		lane.held, lane.holdBegan, lane.heldUntil, lane.probe = true, now, now.Add(u.Hold), nil
	}
}

// check compares the model with what the store lists.
func (s *store) check() {
	list, err := s.Lanes(context.Background(), "", 1_000_000)
	if err != nil {
		s.w.fail("Lanes: %v", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, i := range list {
		lane := s.lanes[i.Lane]
		if lane == nil || lane.since.Equal(now) || lane.holdBegan.Equal(now) {
			continue
		}
		if lane.held == i.HeldUntil.IsZero() && !(lane.probe != nil && lane.probe.settled) {
			s.w.fail("lane %q: held is %v in the store and %v by the rules", i.Lane, !i.HeldUntil.IsZero(), lane.held)
		}
		if left := i.HeldUntil.Sub(now); left > 2*time.Minute {
			s.w.fail("lane %q is held for another %v", i.Lane, left)
		}
	}
}

// link is a node's connection to the store.
type link struct {
	*store
	n *node
}

var errStore = errors.New("the store does not answer")

// Traits are those of a durable store that several processes share.
func (l *link) Traits() queue.Traits {
	t := l.store.Traits()
	t.Durable, t.InProcess = true, false
	return t
}

// reach takes a moment, at random so that no two calls are at the same instant, and reports why the
// store cannot be reached, or nil.
func (l *link) reach() error {
	time.Sleep(l.n.random(200 * time.Microsecond))
	if l.n.dead.Load() || l.n.cut.Load() {
		return errStore
	}
	return nil
}

// lost loses an answer now and then.
func (l *link) lost(err error) error {
	if l.n.loses() {
		return fmt.Errorf("%w: the answer was lost", errStore)
	}
	return err
}

func (l *link) Enqueue(ctx context.Context, jobs []queue.Job) error {
	if err := l.reach(); err != nil {
		return err
	}
	err := l.store.Enqueue(ctx, jobs)
	l.enqueued(jobs, err)
	return l.lost(err)
}

func (l *link) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	if err := l.reach(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer l.n.onCut(cancel)()
	leases, err := l.store.Receive(ctx, w)
	l.received(leases)
	return leases, err
}

func (l *link) Extend(ctx context.Context, leases []queue.Lease) error {
	if err := l.reach(); err != nil {
		return err
	}
	err := l.store.Extend(ctx, leases)
	l.mu.Lock()
	for i := range leases {
		if m := l.leases[leases[i].Receipt]; m != nil && queue.ErrorOf(err, i) == nil {
			m.until = time.Now().Add(l.store.Traits().Lease)
		}
	}
	l.mu.Unlock()
	return l.lost(err)
}

func (l *link) Ack(ctx context.Context, leases []queue.Lease) error {
	if err := l.reach(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.store.Ack(ctx, leases)
	for i := range leases {
		l.settled(leases[i], queue.ErrorOf(err, i), true, true)
	}
	return l.lost(err)
}

func (l *link) Nack(ctx context.Context, nacks []queue.Nack) error {
	if err := l.reach(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.store.Nack(ctx, nacks)
	for i := range nacks {
		if nacks[i].Delay > 30*time.Minute {
			l.n.w.fail("job %s waits for %v, more than 30 minutes", nacks[i].ID, nacks[i].Delay)
		}
		l.settled(nacks[i].Lease, queue.ErrorOf(err, i), false, nacks[i].Counted)
	}
	return l.lost(err)
}

func (l *link) Release(ctx context.Context, leases []queue.Lease) error {
	if err := l.reach(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.store.Release(ctx, leases)
	for i := range leases {
		l.settled(leases[i], queue.ErrorOf(err, i), false, false)
	}
	return l.lost(err)
}

func (l *link) Replace(ctx context.Context, lease queue.Lease, jobs []queue.Job) error {
	if err := l.reach(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.store.Replace(ctx, lease, jobs)
	l.settled(lease, err, false, true)
	return l.lost(err)
}

func (l *link) DeadLetter(ctx context.Context, lease queue.Lease, reason string) error {
	if err := l.reach(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.store.DeadLetter(ctx, lease, reason)
	l.settled(lease, err, false, true)
	return l.lost(err)
}

func (l *link) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	if err := l.reach(); err != nil {
		return err
	}
	if u.Hold > 0 && u.Health == queue.Failing && l.n.offlineFor() > l.n.w.timeout+10*time.Second && len(l.n.w.endpoints) >= 6 {
		l.n.w.fail("node %d, which has been without network for %v, holds lane %q for %v for all nodes: %s", l.n.number, l.n.offlineFor(), u.Lane, u.Hold, u.Reason)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.store.SetLane(ctx, u)
	l.laneSet(u, err)
	return err
}

// Close keeps the store, which is all nodes'.
func (l *link) Close() error { return nil }
