package webhook

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/pushhooks/webhook/internal/scheduler"
	"github.com/pushhooks/webhook/queue"
)

// reporter writes, in the background, the lines that others only count for: those about webhooks
// that fail, about what is lost, and those that stand for many. It asks the queue for what this
// process does not know.
type reporter struct {
	reporterConfig
	report
	next   time.Time // when the minute ends; zero: none is running
	survey survey
}

// reporterConfig is what a reporter gets from the Emitter.
type reporterConfig struct {
	queue    *guardedQueue
	traits   queue.Traits
	emitOnly bool
	apps     *registry
	emitted  func() int64 // counts the events of this process
}

// firstLook is when a process first asks a queue that outlives it about webhooks that fail.
const firstLook = 5 * time.Second

func newReporter(c reporterConfig, r report) *reporter {
	p := &reporter{reporterConfig: c, report: r}
	if c.traits.Durable && c.traits.SharedLanes {
		p.survey.emitted = -1 // the first look is not for what this process has emitted
		p.next = time.Now().Add(firstLook)
	}
	return p
}

// run reports until ctx ends, and then what is left.
func (r *reporter) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(r.untilNext(time.Now()))
		select {
		case <-r.log.wake:
			r.tell(ctx, false)
		case <-timer.C:
			if !r.next.IsZero() {
				r.minute(ctx)
			}
		case <-ctx.Done():
			r.tell(ctx, false)
			r.tellCrowds()
			return
		}
	}
}

// untilNext returns how long the minute lasts. It begins one where there is something to say at its
// end.
func (r *reporter) untilNext(now time.Time) time.Duration {
	if r.next.IsZero() {
		if !r.traits.SharedLanes && r.log.limit.idle() && r.log.failing.idle() && r.log.drops.idle() {
			return time.Hour
		}
		r.next = now.Add(time.Minute)
	}
	return max(0, r.next.Sub(now))
}

// minute reports at a minute's end.
func (r *reporter) minute(ctx context.Context) {
	r.next = time.Time{}
	r.look(ctx)
	r.log.failing.tidy(time.Now(), func(f *failingHook) bool { return r.apps.hook(f.app, f.webhook) != nil })
	r.tell(ctx, true)
	r.tellCrowds()
}

// tell writes the lines that are due: at a minute's end about all webhooks that fail and all that
// is lost.
func (r *reporter) tell(ctx context.Context, minute bool) {
	now := time.Now()
	for _, d := range r.log.drops.take(now, minute) {
		r.tellDrop(&d)
	}
	asks := ctx.Err() == nil
	notices := r.log.failing.notices(now, minute)
	slices.SortStableFunc(notices, func(a, b notice) int { return a.since.Compare(b.since) })
	for i := range notices {
		n := &notices[i]
		if !r.log.allowed(n.level(), n.text, n.lane, 0) {
			continue
		}
		var info *queue.LaneInfo
		if asks {
			began := time.Now()
			if info = r.ask(ctx, n.lane); info == nil {
				asks = false // perhaps the queue is away; there may be many
			} else {
				r.adopt(info, began)
			}
		}
		r.tellFailing(n, info)
	}
}

// laneTime is for one question to the queue.
const laneTime = 2 * time.Second

// ask returns what the queue knows of a lane, nil if it does not answer.
func (r *reporter) ask(ctx context.Context, lane string) *queue.LaneInfo {
	ctx, cancel := context.WithTimeout(ctx, laneTime)
	defer cancel()
	info, err := r.queue.lane(ctx, lane)
	if err == nil && info == nil {
		info = &queue.LaneInfo{Lane: lane}
		if !r.traits.SharedLanes { // others may have enqueued jobs of it
			info.Delayed, info.Leased = unknownCount, unknownCount
		}
	}
	return info
}

// tellFailing writes a line about a webhook that fails or works again. info is what the queue says
// of its lane, nil if it does not.
func (r *reporter) tellFailing(n *notice, info *queue.LaneInfo) {
	state, since := n.state, n.since
	if info != nil && info.Health == queue.Failing && n.told != toldNothing {
		state, since = laneStateOf(info), info.Since
	}
	attrs := about(n.app, n.webhook, r.apps.hook(n.app, n.webhook), "")
	switch n.text {
	case lineWorks, lineUndecided:
		attrs = append(attrs, slog.Duration("after", time.Since(since).Round(time.Millisecond)),
			slog.Int64("failed", n.failed), slog.Int64("delivered", n.delivered))
	default:
		attrs = append(attrs, slog.Time("since", since))
		if !state.HeldUntil.IsZero() {
			attrs = append(attrs, slog.Time("until", state.HeldUntil), slog.Int("holds", state.Holds))
		}
		attrs = append(attrs, slog.Int64("failed", n.failed), slog.String("reason", cmp.Or(n.reason, state.Reason)))
	}
	attrs = append(attrs, waitingAttr(info))
	if n.slot != nil && n.slot.account.holds() {
		attrs = append(attrs, slog.Int64("outbox_bytes", n.slot.account.Load()>>1))
	}
	r.log.line(n.level(), n.text, attrs...)
}

// waitingAttr says how many jobs of a lane the queue has, as Webhooks does.
func waitingAttr(info *queue.LaneInfo) slog.Attr {
	if info == nil || waiting(info) == unknownCount {
		return slog.String("waiting", "unknown")
	}
	return slog.Int("waiting", waiting(info))
}

// tellDrop writes a line about what a webhook has lost, or what the queue has refused for now.
func (r *reporter) tellDrop(d *drop) {
	if !r.log.allowed(d.reason.level(), d.reason.line(), d.hook.lane, d.count) {
		return
	}
	attrs := about(d.hook.app.id, d.hook.id, d.hook, d.job)
	if d.reason == notDropped {
		attrs = append(attrs, slog.Int64("refusals", d.count))
	} else {
		attrs = append(attrs, slog.Int64("events", d.count), slog.String("reason", string(d.reason)))
	}
	r.log.line(d.reason.level(), d.reason.line(), append(attrs, slog.Any("error", d.err))...)
}

// tellCrowds writes a line for each message of which more than ten lines were due in this minute.
func (r *reporter) tellCrowds() {
	left := r.log.limit.take()
	slices.SortFunc(left, func(a, b *crowd) int { return cmp.Compare(a.text, b.text) })
	for _, c := range left {
		attrs := []slog.Attr{
			slog.String("line", c.text), slog.Int("lines", c.left), slog.Int("webhooks", len(c.webhooks)),
			slog.String("examples", c.examples()),
		}
		if c.events > 0 {
			attrs = append(attrs, slog.Int64("events", c.events))
		}
		r.log.line(c.level, lineLeftOut, attrs...)
	}
}

// laneStateOf returns the state that a queue tells of a lane.
func laneStateOf(info *queue.LaneInfo) scheduler.LaneState {
	return scheduler.LaneState{Health: info.Health, HeldUntil: info.HeldUntil, Holds: info.Holds, Reason: info.Reason}
}
