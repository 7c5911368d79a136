package simulation

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// account checks at the end of a world what became of every event and every attempt.
func (w *world) account() {
	w.checkStore()
	dead := w.deadLetters()
	for _, n := range w.all {
		if !n.dead.Load() {
			w.checkTotals(n)
		}
	}
	for _, e := range w.endpoints {
		w.checkEvents(e, dead[e.id])
		w.checkAttempts(e)
		w.checkWaits(e)
		w.checkFound(e)
	}
}

// letter is a dead letter of an endpoint.
type letter struct {
	queue.DeadLetter
	job    string
	events []int
}

func (w *world) deadLetters() map[string][]letter {
	letters := map[string][]letter{}
	list, err := w.store.DeadLetters(context.Background(), "", 1_000_000)
	if err != nil {
		w.fail("DeadLetters: %v", err)
	}
	for _, d := range list {
		body, _, _ := bytes.Cut(d.Data, []byte("\n"))
		id := w.webhookOf(d.Lane)
		letters[id] = append(letters[id], letter{DeadLetter: d, job: d.ID, events: eventsOf(body)})
	}
	return letters
}

// webhookOf returns the webhook of a lane, whose name ends with it.
func (w *world) webhookOf(lane string) string {
	return lane[strings.LastIndexByte(lane, 'w'):]
}

// checkTotals adds up what a node counted.
func (w *world) checkTotals(n *node) {
	s := n.em.Stats()
	if s.Matched+s.Adopted != s.Delivered+s.Dead+s.Dropped+s.Pending+s.Queued {
		w.fail("node %d: the totals do not add up: %+v", n.number, s)
	}
}

// checkEvents accounts for every event that an emitter took for the endpoint.
func (w *world) checkEvents(e *endpoint, letters []letter) {
	dead := map[int]bool{}
	for _, l := range letters {
		for _, ev := range l.events {
			dead[ev] = true
		}
		w.checkLetter(e, l)
	}
	stored := map[int]bool{}
	for lane, events := range w.store.stored {
		if w.webhookOf(lane) == e.id {
			stored = events
		}
	}
	for _, n := range w.all {
		missing := 0
		for ev := range n.emitted[e.id] {
			switch {
			case !stored[ev]:
				missing++
			case e.delivered[ev] == 0 && !dead[ev]:
				w.fail("webhook %s: event %d was taken by the queue, and is neither delivered nor dead", e.id, ev)
			}
		}
		if missing != n.dropped[e.id] && !n.dead.Load() {
			w.fail("webhook %s: of node %d, %d events never reached the queue, and it dropped %d", e.id, n.number, missing, n.dropped[e.id])
		}
	}
}

// checkLetter holds a dead letter against retry rule 2.
func (w *world) checkLetter(e *endpoint, l letter) {
	attempts := e.attempts[l.job]
	switch {
	case e.kind == gone && strings.HasPrefix(l.Reason, "gone"):
	case len(attempts) == 0 && l.First.IsZero():
		w.fail("webhook %s: job %s became a dead letter without an attempt: %s", e.id, l.ID, l.Reason)
	case e.kind == poisoned && contains(l.events, e.poison):
		if len(l.events) > 1 {
			w.fail("webhook %s: the dead letter %s with the poison event holds %d events", e.id, l.ID, len(l.events))
		}
	case l.At.Sub(l.First) < w.budget-time.Millisecond:
		w.fail("webhook %s: job %s was given up %v after its first attempt, before its budget of %v ended: %s", e.id, l.ID, l.At.Sub(l.First), w.budget, l.Reason)
	}
}

// checkAttempts holds a job's attempts against its budget: only one that failed was made at or
// after its end. Jobs whose lease was lost, or whose settlement was, are tried again.
func (w *world) checkAttempts(e *endpoint) {
	if w.faults {
		return
	}
	for id, attempts := range e.attempts {
		over := 0
		for _, a := range attempts {
			if a.began.Sub(attempts[0].began) >= w.budget && !a.ok && !a.aborted {
				over++
			}
		}
		if over > 1 && !strings.Contains(id, "-") {
			w.fail("webhook %s: job %s failed %d times after its budget of %v", e.id, id, over, w.budget)
		}
	}
}

// checkWaits checks how long the first attempts of a healthy endpoint's jobs waited.
func (w *world) checkWaits(e *endpoint) {
	if e.kind != healthy || e.config.Ordered || e.config.RateLimit.PerSecond > 0 || w.faults {
		return
	}
	limit := w.waitLimit()
	healthySince := w.firstSuccess(e)
	for id, attempts := range e.attempts {
		j := w.store.jobs[id]
		if j == nil || j.ready.IsZero() || j.ready.Before(healthySince) {
			continue
		}
		if wait := attempts[0].began.Sub(j.ready); wait > limit {
			w.fail("webhook %s, which is healthy: job %s waited %v for its first attempt, more than %v", e.id, id, wait, limit)
		}
	}
}

func (w *world) firstSuccess(e *endpoint) time.Time {
	first := time.Now()
	for _, attempts := range e.attempts {
		for _, a := range attempts {
			if a.ok && a.ended.Before(first) {
				first = a.ended
			}
		}
	}
	return first
}

// waitLimit is how long a healthy webhook's job may wait. Webhooks that have succeeded and then
// hang cost twice their number of workers at first; slow ones have workers all the time. What was
// never up, or is held, costs nothing.
func (w *world) waitLimit() time.Duration {
	turning := 0
	for _, e := range w.endpoints {
		switch e.kind {
		case flapping, late, slow, poisoned:
			turning++
		}
	}
	rounds := (2*turning + w.workers - 1) / w.workers
	if w.workers == 1 { // the only worker is shared with what is untried and what fails
		return time.Hour
	}
	return time.Second + time.Duration(rounds)*max(w.timeout, 4*time.Second)
}

// checkFound checks that a webhook that came back was tried within its hold: 2 minutes, a quarter
// for the probe, and its turn among the others that fail.
func (w *world) checkFound(e *endpoint) {
	if w.faults || e.steady() || e.kind == poisoned || e.kind == gone || e.back() > w.length {
		return
	}
	limit := 150*time.Second + time.Duration(len(w.endpoints))*max(2*time.Second, 4*w.timeout/time.Duration(max(4, w.workers)))
	if e.kind == asking {
		limit += e.asks // its jobs are not tried before
	}
	back := w.start.Add(e.back())
	waiting := false
	var found time.Time
	for id, attempts := range e.attempts {
		j := w.store.jobs[id]
		last := attempts[len(attempts)-1]
		if j != nil && !j.ready.IsZero() && j.ready.Before(back) && !last.began.Before(back) {
			waiting = true
		}
		for _, a := range attempts {
			if !a.began.Before(back) && (found.IsZero() || a.began.Before(found)) {
				found = a.began
			}
		}
	}
	if waiting && found.Sub(back) > limit {
		w.fail("webhook %s, which came back at %v, was found %v later, after more than %v", e.id, e.back(), found.Sub(back), limit)
	}
}

// checkStore checks that nothing is left in the store.
func (w *world) checkStore() {
	s, err := w.store.Stats(context.Background())
	if err != nil || s.Ready+s.Delayed+s.Leased > 0 {
		w.fail("the store is left with %d ready, %d delayed and %d leased jobs, %v", s.Ready, s.Delayed, s.Leased, err)
	}
	list, _ := w.store.Lanes(context.Background(), "", 1_000_000)
	slices.SortFunc(list, func(a, b queue.LaneInfo) int { return cmp.Compare(b.Ready, a.Ready) })
	for _, l := range list[:min(3, len(list))] {
		if l.Ready+l.Delayed+l.Leased > 0 {
			e := w.endpoint(w.webhookOf(l.Lane))
			w.fail("lane %q: %+v; %s, %+v", l.Lane, l, e.kind, e.config)
		}
	}
}
