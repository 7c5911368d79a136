package webhook

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/pushhooks/webhook/internal/scheduler"
	"github.com/pushhooks/webhook/queue"
)

const (
	// surveyPage is how many lanes one call lists, and surveyPages how many calls a minute makes.
	surveyPage  = 1000
	surveyPages = maxKnown / surveyPage

	// refusedTime is for how long a refusal tells that a webhook fails, where nothing else can tell.
	refusedTime = 5 * time.Minute
)

// survey is how far a process has come in the list of the queue's lanes.
type survey struct {
	after   string // where the next minute goes on, since there may be too many lanes for one
	emitted int64  // events of this process when it last began
}

// look asks the queue which lanes fail, so that a process that makes no attempts for a webhook, because
// it only emits or because another process has the probes, knows its state. A process that neither
// emits nor knows of a failing webhook asks nothing.
func (r *reporter) look(ctx context.Context) {
	s := &r.survey
	emitted := r.emitted()
	if !r.traits.SharedLanes || emitted == s.emitted && r.log.failing.idle() {
		return
	}
	s.emitted = emitted
	for range surveyPages {
		began := time.Now()
		ctx, cancel := context.WithTimeout(ctx, laneTime)
		infos, err := r.queue.lanes(ctx, s.after, surveyPage)
		cancel()
		if err != nil {
			r.forgetRefused(err)
			return
		}
		for i := range infos {
			r.adopt(&infos[i], began)
		}
		last := ""
		if len(infos) > 0 {
			last = infos[len(infos)-1].Lane
		}
		r.adoptMissing(infos, last, began)
		if s.after = last; last == "" {
			return
		}
	}
}

// adopt notes what the queue says of a lane, which was asked at the given time.
func (r *reporter) adopt(info *queue.LaneInfo, asked time.Time) {
	app, webhook := splitLane(info.Lane)
	h := r.apps.hook(app, webhook)
	if h == nil || info.Health != queue.Failing && !h.slot.failing.Load() {
		return
	}
	var from, to scheduler.LaneState
	changed := false
	r.log.failing.update(app, webhook, h, info.Health == queue.Failing, func(f *failingHook, now time.Time) {
		if !f.learned.Before(asked) {
			return // it may be of something newer
		}
		from, to = f.state, laneStateOf(info)
		changed = laneState(from) != laneState(to) && (from.Health == queue.Failing || to.Health == queue.Failing)
		f.becomes(from, to, now)
		switch {
		case info.Health == queue.Failing:
			f.since = info.Since
		case info.Health == queue.Healthy && info.Since.After(f.last):
			f.row = 0 // it has worked elsewhere since
		}
	})
	if changed {
		r.watch.laneChanged(app, webhook, from, to)
	}
}

// adoptMissing notes that the queue has forgotten lanes: they are known as failing, and a page that
// begins behind r.survey.after and ends with the lane last ("": with the last of all) does not have
// them.
func (r *reporter) adoptMissing(page []queue.LaneInfo, last string, asked time.Time) {
	for _, lane := range r.log.failing.lanes() {
		if lane <= r.survey.after || last != "" && lane > last {
			continue
		}
		_, listed := slices.BinarySearchFunc(page, lane, func(i queue.LaneInfo, lane string) int { return strings.Compare(i.Lane, lane) })
		if !listed {
			r.adopt(&queue.LaneInfo{Lane: lane}, asked)
		}
	}
}

// forgetRefused forgets what refusals told a process that only emits, where the queue lists no lanes:
// nothing will tell that such a webhook works again.
func (r *reporter) forgetRefused(err error) {
	if !errors.Is(err, errors.ErrUnsupported) || !r.emitOnly {
		return
	}
	s := &r.log.failing
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.byLane {
		if time.Since(f.last) > refusedTime {
			s.forget(f)
		}
	}
}

// lanes returns the lanes that the queue is thought to know as failing.
func (s *failingHooks) lanes() (lanes []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for lane, f := range s.byLane {
		if f.state.Health == queue.Failing {
			lanes = append(lanes, lane)
		}
	}
	return lanes
}
