package webhookui

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/oneline"
	"github.com/pushhooks/webhook/queue"
)

const (
	// maxRows bounds how many webhooks a listing keeps, failing ones first: about 600 bytes each.
	maxRows = 20_000

	// A listing serves for a second, or for ten times as long as it took, so that it costs the
	// queue at most a tenth of its time, however many look. One that failed serves for two seconds
	// at most.
	minServes    = time.Second
	maxServes    = 30 * time.Second
	failedServes = 2 * time.Second
	servesFactor = 10

	askTime  = 2 * time.Second  // for the queue's counts, and for Health
	listTime = 10 * time.Second // for the list of all webhooks

	// A request waits for the first snapshot, and for one that shows what it has changed. Otherwise
	// it shows the last one soon.
	firstWait = 5 * time.Second / 2
	laterWait = 300 * time.Millisecond
)

// snapshot is what the overview shows, taken once for all who look.
type snapshot struct {
	At      time.Time
	Health  webhook.HealthReport
	Process webhook.Stats
	Queue   *queue.Stats // nil: unknown
	Err     error        // why the queue could not be asked
	List    *listing     // the last one that was complete; nil: there is none

	serves  time.Duration
	changes int // how many changes it shows
}

// listing is what em.Webhooks has listed.
type listing struct {
	At     time.Time
	Rows   []webhook.WebhookStatus // the failing ones first, for longest first
	Left   int                     // webhooks that are not among the rows
	Counts counts

	Minute, Hour webhook.AttemptCounts // of this process
	Dropped      int64                 // of this process
}

// counts counts webhooks by state. Failing includes Held.
type counts struct{ All, Failing, Held, Healthy, Untried, Unknown int }

func (c *counts) add(s *webhook.WebhookStatus) {
	c.All++
	switch s.State {
	case webhook.LaneHeld:
		c.Held++
		c.Failing++
	case webhook.LaneFailing:
		c.Failing++
	case webhook.LaneHealthy:
		c.Healthy++
	case webhook.LaneUntried:
		c.Untried++
	}
	if s.Unknown {
		c.Unknown++
	}
}

func fails(s *webhook.WebhookStatus) bool {
	return s.State == webhook.LaneFailing || s.State == webhook.LaneHeld
}

// snapshots has one snapshot for all requests. One is taken at a time, in a goroutine that ends
// with it, so that neither many requests nor a queue that hangs cost more than that.
type snapshots struct {
	em *webhook.Emitter

	mu      sync.Mutex
	last    *snapshot
	taking  chan struct{} // closed when the one under way is there; nil if there is none
	changes int           // how often a request has changed something
}

// isFresh reports whether the snapshot shows all changes. s may be nil.
func (s *snapshot) isFresh(changes int) bool { return s != nil && s.changes == changes }

// get returns the newest snapshot. It is nil if there is none in time.
func (s *snapshots) get(ctx context.Context) *snapshot {
	var deadline <-chan time.Time
	for {
		s.mu.Lock()
		last := s.last
		if last.isFresh(s.changes) && time.Since(last.At) < last.serves {
			s.mu.Unlock()
			return last
		}
		if s.taking == nil {
			s.taking = make(chan struct{})
			go s.take(last, s.changes)
		}
		taking := s.taking
		wait := firstWait
		if last.isFresh(s.changes) {
			wait = laterWait
		}
		s.mu.Unlock()
		if deadline == nil {
			timer := time.NewTimer(wait)
			defer timer.Stop()
			deadline = timer.C
		}
		select {
		case <-taking:
		case <-ctx.Done():
			return last
		case <-deadline:
			return last
		}
	}
}

// change notes that a request has changed something.
func (s *snapshots) change() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes++
}

func (s *snapshots) take(last *snapshot, changes int) {
	var next *snapshot
	defer func() { // also when a driver ends this goroutine
		s.mu.Lock()
		defer s.mu.Unlock()
		if next != nil {
			s.last = next
		}
		close(s.taking)
		s.taking = nil
	}()
	next = takeSnapshot(context.Background(), s.em, last)
	next.changes = changes
}

// takeSnapshot asks em for everything. What the queue does not tell is as it was in the last one,
// which may be nil.
func takeSnapshot(ctx context.Context, em *webhook.Emitter, last *snapshot) *snapshot {
	s := &snapshot{At: time.Now(), Process: em.Stats()}
	ask, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var asking sync.WaitGroup
	asking.Go(func() { s.Health = em.Health(ask) })
	stats, err := em.QueueStats(ask)
	asking.Wait()
	switch {
	case err == nil:
		s.Queue = &stats
	case !errors.Is(err, errors.ErrUnsupported):
		s.Err = err
	}
	if s.Err == nil {
		s.List, s.Err = list(ctx, em)
	}
	if s.List == nil && last != nil {
		s.List = last.List
	}
	s.serves = min(max(servesFactor*time.Since(s.At), minServes), maxServes)
	if s.Err != nil {
		s.serves = failedServes
	}
	return s
}

// list lists all webhooks.
func list(ctx context.Context, em *webhook.Emitter) (*listing, error) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	l := &listing{At: time.Now()}
	var failing, others []webhook.WebhookStatus
	for s, err := range em.Webhooks(ctx) {
		if err != nil {
			return nil, err
		}
		l.add(&s)
		if fails(&s) {
			failing = appendRow(failing, &s)
		} else {
			others = appendRow(others, &s)
		}
	}
	slices.SortStableFunc(failing, func(a, b webhook.WebhookStatus) int { return a.FailingSince.Compare(b.FailingSince) })
	l.Rows = slices.Concat(failing, others[:min(len(others), maxRows-len(failing))])
	l.Left = l.Counts.All - len(l.Rows)
	return l, nil
}

// appendRow keeps the beginning of reasons: receivers can make them long, and the page of a webhook
// has all.
func appendRow(rows []webhook.WebhookStatus, s *webhook.WebhookStatus) []webhook.WebhookStatus {
	if len(rows) == maxRows {
		return rows
	}
	row := *s
	row.Reason, row.Here.LastError = oneline.Cut(s.Reason, maxReason), oneline.Cut(s.Here.LastError, maxReason)
	return append(rows, row)
}

func (l *listing) add(s *webhook.WebhookStatus) {
	l.Counts.add(s)
	l.Minute.Delivered += s.Here.LastMinute.Delivered
	l.Minute.Failed += s.Here.LastMinute.Failed
	l.Hour.Delivered += s.Here.LastHour.Delivered
	l.Hour.Failed += s.Here.LastHour.Failed
	l.Dropped += s.Here.Dropped
}

// Mark names what the overview and its icon say at a glance: "problem", "failing", "ok" or
// "unknown".
func (s *snapshot) Mark() string {
	switch {
	case s == nil || s.List == nil && s.Err == nil:
		return "unknown"
	case s.Err != nil || !s.Health.OK:
		return "problem"
	}
	return cmp.Or(s.List.mark(), "ok")
}

func (l *listing) mark() string {
	if l.Counts.Failing > 0 {
		return "failing"
	}
	return ""
}
