package queuetest

import (
	"slices"

	"github.com/pushhooks/webhook/queue"
)

// modelLane is a lane of the model. Where the rules leave an order open, any is right.
type modelLane struct {
	ordered bool
	head    []string // came back and were released: the next ones, in this order
	back    []string // came back, in any order
	parts   []string // took a job's place, in this order
	fresh   []string // were never worked on, in this order

	health    queue.Health
	held      bool
	due       bool   // the hold's time has passed
	probe     string // ID of the probe that is out; "" if there is none
	began     int    // the step that began the hold
	holds     int
	unsure    bool // holds is unknown: an Ack came that did not end the hold
	acked     int  // step of the latest lease that was acked
	forgotten int  // acked, before the lane was made Untried
}

// kind is which of a lane's lists a job belongs to.
type kind int

const (
	fresh kind = iota
	back
	part
)

// ready returns how many jobs are ready.
func (l *modelLane) ready() int {
	return len(l.head) + len(l.back) + len(l.parts) + len(l.fresh)
}

// has reports whether a job is ready.
func (l *modelLane) has(id string) bool {
	return slices.Contains(slices.Concat(l.head, l.back, l.parts, l.fresh), id)
}

// next returns the jobs of which any may be received next. Whether parts count as jobs that came
// back is not said by the rules.
func (l *modelLane) next() []string {
	came := l.back
	if len(l.head) > 0 {
		came = l.head[:1]
	}
	parts, untried := l.parts[:min(1, len(l.parts))], l.fresh[:min(1, len(l.fresh))]
	switch {
	case l.ordered && len(came) > 0:
		return came
	case l.ordered && len(parts) > 0:
		return parts
	case len(parts) > 0:
		return slices.Concat(came, parts, untried)
	case l.held && len(untried) > 0 && !l.ordered:
		return untried
	case len(came) > 0:
		return came
	}
	return untried
}

// orderRule is the rule that a job breaks that is not among the next.
func (l *modelLane) orderRule() string {
	if l.held || len(l.head) > 0 || len(l.back) > 0 {
		return "H8"
	}
	return "E4"
}

// take removes a ready job and returns its kind.
func (l *modelLane) take(id string) kind {
	for list, k := range map[*[]string]kind{&l.head: back, &l.back: back, &l.parts: part, &l.fresh: fresh} {
		if i := slices.Index(*list, id); i >= 0 {
			*list = slices.Delete(*list, i, i+1)
			return k
		}
	}
	return fresh
}

// putBack puts a released job to the head of its kind.
func (l *modelLane) putBack(id string, k kind) {
	list := map[kind]*[]string{fresh: &l.fresh, back: &l.head, part: &l.parts}[k]
	*list = slices.Insert(*list, 0, id)
}

// putLast puts a job that was worked on among those that came back; in an ordered lane it keeps its
// place.
func (l *modelLane) putLast(id string) {
	if l.ordered {
		l.putBack(id, back)
		return
	}
	l.back = append(append(l.back, l.head...), id)
	l.head = nil
}

// mayBeReplaced reports whether it is certain where the parts of a job of this lane would stand.
func (l *modelLane) mayBeReplaced() bool {
	return l.ordered || len(l.parts) == 0
}

// noProbe makes the hold due again if the job that is settled was its probe.
func (l *modelLane) noProbe(id string) {
	if l.probe == id {
		l.probe = ""
	}
}

// ack notes that a job was acked.
func (l *modelLane) ack(lease modelLease) {
	l.health = queue.Healthy
	l.acked = max(l.acked, lease.step)
	l.noProbe(lease.ID)
	switch {
	case l.held && lease.step > l.began:
		l.held, l.due = false, false
	case l.held:
		l.unsure = true
		return
	}
	l.holds, l.unsure = 0, false
}

// fail notes a failure, and a hold.
func (l *modelLane) fail(hold bool, step int) {
	l.health = queue.Failing
	if hold {
		l.held, l.due, l.probe, l.began = true, false, "", step
		l.holds++
	}
}

// forget makes the lane Untried.
func (l *modelLane) forget() {
	l.forgotten = max(l.forgotten, l.acked)
	l.health, l.held, l.due, l.probe = queue.Untried, false, false, ""
	l.holds, l.unsure, l.acked = 0, false, 0
}
