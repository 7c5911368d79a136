package webhook

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"
)

// orphanTime is how long SetApp asks the queue for the number of jobs that will not be delivered.
const orphanTime = 2 * time.Second

// orphans returns the hooks that may have lost their jobs by mistake: they have no ID of their own
// and are gone, and webhooks came that were not there. So it looks when a URL is changed, or an ID
// given to a webhook that had none.
func orphans(before, now *app) (gone []*hook) {
	came := false
	for _, h := range now.hooks {
		came = came || before.hook(h.id) == nil
	}
	if before == nil || !came {
		return nil
	}
	for _, h := range before.hooks {
		if h.ID == "" && now.hook(h.id) == nil {
			gone = append(gone, h)
		}
	}
	return gone
}

// warnOfOrphans writes one line about jobs that wait for webhooks which a new configuration of
// their app does not have, unless there are none.
func (e *Emitter) warnOfOrphans(gone []*hook) {
	if len(gone) == 0 || e.traits.Disabled {
		return
	}
	ctx, cancel := context.WithTimeout(e.shutdownCtx, orphanTime)
	defer cancel()
	jobs, known, held := 0, true, false
	names := make([]string, len(gone))
	for i, h := range gone {
		n, err := (&guardedQueue{e.queue, e.log}).waiting(ctx, h.lane)
		e.sawQueue(err)
		jobs, known = jobs+n, known && err == nil
		names[i], held = h.id+" ("+h.printable()+")", held || h.slot.account.holds()
	}
	if known && jobs == 0 && !held {
		return
	}
	count := slog.Int("jobs", jobs)
	if !known {
		count = slog.String("jobs", "unknown")
	}
	e.log.line(slog.LevelWarn, lineOrphans, slog.String("app", gone[0].app.id), slog.String("webhooks", strings.Join(names, ", ")), count,
		slog.Bool("more_not_handed_over", held))
}

// errUncounted is returned where a queue does not say how many jobs of a lane there are.
var errUncounted = errors.New("webhook: the queue does not count a lane's jobs")

// waiting returns how many jobs the lane has.
func (q *guardedQueue) waiting(ctx context.Context, lane string) (int, error) {
	l, err := q.lane(ctx, lane)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return 0, errUncounted
	case l == nil:
		return 0, err
	case waiting(l) == unknownCount:
		return 0, errUncounted
	}
	return waiting(l), nil
}
