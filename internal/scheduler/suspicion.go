package scheduler

import (
	"time"

	"github.com/pushhooks/webhook/queue"
)

const (
	// A process suspects itself when its attempts to so many hosts within this time all failed
	// before anything was sent.
	suspectHosts  = 3
	suspectWindow = 30 * time.Second

	// It then makes one attempt at a time, with pauses from the first time to the second.
	suspectFirst = time.Second
	suspectMax   = 10 * time.Second

	// maxHosts bounds how many hosts are remembered to which nothing could be sent.
	maxHosts = 10_000

	// suspectReceive is for how long it asks the queue for a lane that it has not tried yet.
	suspectReceive = time.Second
)

// suspicion is what this process thinks of its own network.
type suspicion struct {
	hosts map[string]time.Time // that nothing could be sent to, since anything was sent
	since time.Time            // when the first of those attempts ended
	sent  time.Time            // when the newest attempt began that was sent

	// unreached has the hosts to which nothing could be sent since anything was sent to them, by
	// when that was noticed. Once something was sent elsewhere, such a host says nothing of this
	// process: a few hosts without a route must not delay the others again and again.
	unreached map[string]time.Time

	on       bool
	trying   bool // the one attempt runs
	tries    int
	next     time.Time           // the next attempt's time
	lanes    map[string]struct{} // that were tried already
	tried    map[string]struct{} // their hosts
	anywhere bool                // no healthy lane is left to try
}

// note takes note of how an attempt that began at the time ended. It reports whether the suspicion
// began or ended with it. That an older attempt got no answer does not end it.
func (x *suspicion) note(host string, e Evidence, at, now time.Time) (began, ended bool) {
	switch {
	case e == Up, e == Down && !at.Before(x.since):
		delete(x.unreached, host)
		if at.After(x.sent) {
			x.sent = at
		}
		if ended = x.on; ended {
			*x = suspicion{sent: x.sent, unreached: x.unreached}
		}
		x.hosts = nil
		return false, ended
	case e != Unsent || host == "" || x.hasNoRoute(host, now) || x.on:
		return false, false
	}
	if len(x.hosts) == 0 {
		x.hosts, x.since = make(map[string]time.Time), now
	}
	for h, at := range x.hosts {
		if now.Sub(at) > suspectWindow {
			delete(x.hosts, h)
		}
	}
	x.hosts[host] = now
	if len(x.hosts) < suspectHosts {
		return false, false
	}
	*x = suspicion{
		on: true, since: x.since, sent: x.sent, unreached: x.unreached,
		next: now.Add(suspectFirst), lanes: map[string]struct{}{}, tried: map[string]struct{}{},
	}
	return true, false
}

// hasNoRoute notes that nothing could be sent to a host, and reports whether that is the host's
// matter: something was sent elsewhere since it was noticed first.
func (x *suspicion) hasNoRoute(host string, now time.Time) bool {
	if at, known := x.unreached[host]; known {
		return x.sent.After(at)
	}
	if x.unreached == nil || len(x.unreached) >= maxHosts {
		x.unreached = make(map[string]time.Time)
	}
	x.unreached[host] = now
	return false
}

// failed notes that the one attempt has ended without sending anything.
func (x *suspicion) failed(lane, host string, now time.Time) {
	x.trying = false
	x.tries++
	x.next = now.Add(doubled(suspectFirst, x.tries, suspectMax))
	x.lanes[lane] = struct{}{}
	if host != "" {
		x.tried[host] = struct{}{}
	}
}

// skip notes that the one task made no attempt: another may, at once.
func (x *suspicion) skip(lane string, now time.Time) {
	x.trying, x.next = false, now
	x.lanes[lane] = struct{}{}
}

// due reports whether it is time for the next attempt.
func (x *suspicion) due(now time.Time) bool { return !x.trying && !now.Before(x.next) }

// want returns what to receive for the next attempt: of a lane that was not tried, healthy ones
// first, since their endpoints are the likeliest to work.
func (x *suspicion) want() queue.Want {
	w := queue.Want{Max: 1, MaxPerLane: 1, Lanes: x.skipped()}
	if x.anywhere {
		w.MaxUntried, w.MaxFailing = 1, 1
	}
	return w
}

// skipped returns the lanes that the next attempt leaves out.
func (x *suspicion) skipped() map[string]int {
	named := make(map[string]int, len(x.lanes))
	for name := range x.lanes {
		if len(named) == queue.MaxNamed {
			break
		}
		named[name] = 0
	}
	return named
}

// nothing notes that the queue has no such lane: others are tried then, and at last all of them
// again.
func (x *suspicion) nothing() {
	if x.anywhere = !x.anywhere; !x.anywhere {
		clear(x.lanes)
		clear(x.tried)
	}
}

// wants reports whether a task of l may be the next attempt. waiting reports that there is one
// already.
func (x *suspicion) wants(l *lane, waiting bool) bool {
	if waiting || x.trying {
		return false
	}
	if _, tried := x.tried[l.host]; tried && len(x.lanes) < queue.MaxNamed {
		x.lanes[l.name] = struct{}{}
		return false
	}
	return true
}
