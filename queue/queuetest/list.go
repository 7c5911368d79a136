package queuetest

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pushhooks/webhook/queue"
)

var listChecks = []check{
	{"LaneLister", "LanesComeInTheOrderOfTheirNames", lister(func(r *rig, lanes queue.LaneLister) {
		names := []string{"b", "a/x", "a", "ä", "Z", "a b", "{t}", "a*\n\"", "💥", strings.Repeat("n", 512)}
		r.makeFailing(names...)
		slices.Sort(names)
		got := r.lanes(lanes, "", 100)
		if !slices.Equal(laneNames(got), names) {
			r.breaks("Lanes listed %q; want %q", laneNames(got), names)
		}
	})},
	{"LaneLister", "PagesAreWhole", lister(func(r *rig, lanes queue.LaneLister) {
		names := []string{"a", "b", "c", "d", "e", "f", "g"}
		r.makeFailing(names...)
		for limit := 1; limit <= 4; limit++ {
			var got []string
			after := ""
			for range len(names) {
				page := r.lanes(lanes, after, limit)
				if len(page) != min(limit, len(names)-len(got)) {
					r.stop("Lanes after %q with limit %d listed %d lanes", after, limit, len(page))
				}
				if len(page) == 0 {
					break
				}
				got = append(got, laneNames(page)...)
				after = got[len(got)-1]
			}
			if !slices.Equal(got, names) {
				r.breaks("pages of %d lanes were %q; want %q", limit, got, names)
			}
		}
	})},
	{"LaneLister", "APageMayBeginAfterAnUnknownName", lister(func(r *rig, lanes queue.LaneLister) {
		r.makeFailing("a", "c")
		for after, want := range map[string][]string{"b": {"c"}, "a\x00": {"c"}, "A": {"a", "c"}, "c": nil, "d": nil} {
			if got := laneNames(r.lanes(lanes, after, 10)); !slices.Equal(got, want) {
				r.breaks("Lanes after %q listed %q; want %q", after, got, want)
			}
		}
	})},
	{"LaneLister", "AnEmptyQueueHasNoLanes", lister(func(r *rig, lanes queue.LaneLister) {
		if got := r.lanes(lanes, "", 10); len(got) > 0 {
			r.breaks("Lanes of an empty queue listed %q", laneNames(got))
		}
	})},
	{"LaneLister", "JobsAreCounted", lister(func(r *rig, lanes queue.LaneLister) {
		if r.h.Lacks.Stats || r.q.Traits().AtMostOnce {
			return
		}
		jobs := r.jobs("a", 7)
		r.enqueue(jobs...)
		leases := r.take(5)
		r.nack(leases[0], time.Hour, false)
		r.kill(leases[1], "gone")
		r.ack(leases[2])
		r.counts(lanes, "a", 2, 1, 2, int64(5*len(jobs[0].Data)))
		r.hold("a", longHold, byHand)
		r.counts(lanes, "a", 2, 1, 2, int64(5*len(jobs[0].Data)))
		if got := r.info(lanes, "a"); got.Oldest < 0 || got.Oldest > time.Minute {
			r.breaks("Oldest is %v", got.Oldest)
		}
	})},
	{"LaneLister", "DeadLettersAreCounted", lister(func(r *rig, lanes queue.LaneLister) {
		d, ok := r.q.(queue.DeadLetters)
		if !ok {
			return
		}
		r.enqueue(append(r.jobs("a", 3), r.job("b"))...)
		var dead []string
		for _, l := range r.take(4) {
			r.kill(l, "gone")
			if l.Lane == "a" {
				dead = append(dead, l.ID)
			}
		}
		r.dead(lanes, map[string]int{"a": 3, "b": 1})
		n, err := d.Discard(r.Context(), dead[:1])
		r.must("Discard", err)
		if n != 1 {
			r.breaks("Discard returned %d; want 1", n)
		}
		r.dead(lanes, map[string]int{"a": 2, "b": 1})
		_, err = d.Discard(r.Context(), dead)
		r.must("Discard", err)
		r.dead(lanes, map[string]int{"a": 0, "b": 1})
	})},
	{"LaneLister", "LanesWithoutAStateAreListed", lister(func(r *rig, lanes queue.LaneLister) {
		if r.h.Lacks.Stats {
			return
		}
		r.enqueue(append(r.jobs("b", 2), r.jobs("a", 1)...)...)
		got := r.lanes(lanes, "", 10)
		if !slices.Equal(laneNames(got), []string{"a", "b"}) {
			r.stop("Lanes listed %q; want the two lanes with jobs", laneNames(got))
		}
		for _, l := range got {
			if l.Health != queue.Untried || !l.Since.IsZero() || !l.HeldUntil.IsZero() || l.Holds != 0 || l.Reason != "" {
				r.breaks("an untried lane is listed as %+v", l)
			}
		}
	})},
	{"LaneLister", "TheOldestReadyJobHasAnAge", lister(func(r *rig, lanes queue.LaneLister) {
		if r.h.Lacks.Stats {
			return
		}
		before := time.Now()
		r.enqueue(r.job("a"))
		after := time.Now()
		r.sleep(r.ageTime())
		begun := time.Now()
		got := r.info(lanes, "a").Oldest
		if got < begun.Sub(after)-r.grace() || got > time.Since(before)+r.grace() {
			r.breaks("Oldest is %v; want about %v", got, begun.Sub(after))
		}
		l := r.takeOne()
		if got := r.info(lanes, "a"); got.Oldest != 0 && !r.q.Traits().AtMostOnce {
			r.breaks("Oldest is %v although no job is ready", got.Oldest)
		}
		r.ack(l)
	})},
	{"LaneLister", "AStateIsListed", lister(func(r *rig, lanes queue.LaneLister) {
		start := time.Now()
		r.makeHealthy("healthy")
		r.hold("held", longHold, byHand)
		r.makeFailing("failing")
		healthy, held, failing := r.info(lanes, "healthy"), r.info(lanes, "held"), r.info(lanes, "failing")
		r.listedAs(healthy, queue.Healthy, 0, "")
		r.listedAs(held, queue.Failing, 1, "timeout")
		r.listedAs(failing, queue.Failing, 0, "timeout")
		r.around("HeldUntil", held.HeldUntil, start.Add(longHold))
		for _, l := range []queue.LaneInfo{healthy, failing} {
			if !l.HeldUntil.IsZero() {
				r.breaks("lane %q is listed as held until %v", l.Lane, l.HeldUntil)
			}
		}
		for _, l := range []queue.LaneInfo{healthy, held, failing} {
			r.around("Since", l.Since, start)
		}
	})},
	{"LaneLister", "SinceIsWhenTheHealthChanged", lister(func(r *rig, lanes queue.LaneLister) {
		if !r.h.Virtual { // a server's clock is too uncertain
			return
		}
		since := time.Now()
		r.hold("a", r.h.Delay, byHand)
		r.enqueue(r.jobs("a", 3)...)
		l := r.probe(since.Add(r.h.Delay), 1)
		r.tick()
		due := r.hold("a", r.h.Delay, l)
		r.around("Since", r.info(lanes, "a").Since, since)
		l = r.probe(due, 2)
		since = time.Now()
		r.ack(l)
		r.tick()
		r.ack(r.next(queue.Healthy))
		r.around("Since", r.info(lanes, "a").Since, since)
	})},
	{"LaneLister", "SinceIsWhenTheFailuresBegan", lister(func(r *rig, lanes queue.LaneLister) {
		const row, more = time.Hour, 2 * time.Hour // a server's clock is uncertain
		start := time.Now()
		u := queue.LaneUpdate{Lane: "a", Health: queue.Failing, For: row, Reason: "timeout"}
		r.setLane(u)
		r.around("Since", r.info(lanes, "a").Since, start.Add(-row))
		u.For, u.Hold = more, longHold
		r.setLane(u)
		r.around("Since", r.info(lanes, "a").Since, start.Add(-row))
		r.makeUntried("a")
		r.setLane(u)
		r.around("Since", r.info(lanes, "a").Since, start.Add(-more))
	})},
	{"LaneLister", "AStateThatEndsIsListed", lister(func(r *rig, lanes queue.LaneLister) {
		r.enqueue(r.jobs("a", 3)...)
		probe := r.probe(r.hold("a", r.h.Delay, byHand), 1)
		if got := r.info(lanes, "a"); got.HeldUntil.IsZero() || got.Holds != 1 {
			r.breaks("a lane whose probe is out is listed as %+v; want it held", got)
		}
		r.ack(probe)
		got := r.info(lanes, "a")
		r.listedAs(got, queue.Healthy, 0, "")
		if !got.HeldUntil.IsZero() {
			r.breaks("lane %q is listed as held until %v", got.Lane, got.HeldUntil)
		}
		r.hold("a", longHold, byHand)
		r.makeUntried("a")
		got = r.info(lanes, "a")
		r.listedAs(got, queue.Untried, 0, "")
		if !got.HeldUntil.IsZero() || !got.Since.IsZero() {
			r.breaks("an untried lane is listed as %+v", got)
		}
	})},
	{"LaneLister", "ALateFailureIsNotListed", lister(func(r *rig, lanes queue.LaneLister) {
		r.enqueue(r.jobs("a", 2)...)
		first, second := r.next(queue.Untried), r.next(queue.Untried)
		r.tick()
		r.hold("a", longHold, first)
		r.tick()
		r.setLane(queue.LaneUpdate{
			Lane: "a", Health: queue.Failing, Hold: queue.MaxHold, Since: second, Reason: "late",
		})
		got := r.info(lanes, "a")
		r.listedAs(got, queue.Failing, 1, "timeout")
		if got.HeldUntil.After(time.Now().Add(longHold + r.grace())) {
			r.breaksRule("H3", "the lane is held until %v; a late failure lengthened its hold", got.HeldUntil)
		}
	})},
}

var updateChecks = []check{
	{"LaneUpdate", "AReasonIsCutAfterACharacter", lister(func(r *rig, lanes queue.LaneLister) {
		long := strings.Repeat("ä", queue.MaxReasonBytes)
		for _, reason := range []string{long, "x" + long, "short", ""} {
			r.setLane(queue.LaneUpdate{Lane: "a", Health: queue.Failing, Reason: reason})
			got := r.info(lanes, "a").Reason
			kept := strings.TrimSuffix(got, "…")
			if len(got) > queue.MaxReasonBytes || !utf8.ValidString(got) || !strings.HasPrefix(reason, kept) ||
				len(got) < min(len(reason), queue.MaxReasonBytes-1) {
				r.breaks("a reason of %d bytes is listed with %d: %q", len(reason), len(got), got)
			}
		}
	})},
	{"LaneUpdate", "AReasonIsListedAsItIs", lister(func(r *rig, lanes queue.LaneLister) {
		const reason = "dial tcp: “ä” {x} \\ \"quoted\" : 💥"
		r.setLane(queue.LaneUpdate{Lane: "a", Health: queue.Failing, Reason: reason})
		if got := r.info(lanes, "a").Reason; got != reason {
			r.breaks("the reason is %q; want %q", got, reason)
		}
	})},
	{"LaneUpdate", "AReasonIsMadeValid", lister(func(r *rig, lanes queue.LaneLister) {
		r.setLane(queue.LaneUpdate{Lane: "a", Health: queue.Failing, Reason: "a\xffb\x1bc\nd"})
		if got := r.info(lanes, "a").Reason; got != "a\uFFFDb\uFFFDc d" {
			r.breaks("the reason is %q; want one line, with U+FFFD for what is not UTF-8 or no text", got)
		}
	})},
	{"LaneUpdate", "WhatCannotBeUsedIsAnError", func(r *rig) {
		r.enqueue(r.job("a"))
		for _, u := range []queue.LaneUpdate{
			{Health: queue.Failing},
			{Lane: "a", Health: queue.Healthy},
			{Lane: "a", Health: -1},
			{Lane: "a", Health: queue.Failing + 1},
			{Lane: "a", Health: queue.Failing, Hold: -time.Second},
			{Lane: "a", Health: queue.Untried, Hold: time.Second},
		} {
			if err := r.q.SetLane(r.Context(), u); err == nil {
				r.breaks("SetLane(%+v) returned nil; want an error that names the field", u)
			} else if errors.Is(err, queue.ErrLaneHealthy) {
				r.breaks("SetLane(%+v) returned %v; want an error that names the field", u, err)
			}
		}
		r.next(queue.Untried)
	}},
	{"LaneUpdate", "AnUnknownLaneIsNoError", func(r *rig) {
		r.makeUntried("unknown")
		r.makeFailing("unknown too")
	}},
}

// lister is a check for drivers that list their lanes.
func lister(run func(r *rig, lanes queue.LaneLister)) func(r *rig) {
	return func(r *rig) {
		if lanes, ok := r.q.(queue.LaneLister); ok {
			run(r, lanes)
		}
	}
}

// lanes lists lanes, which must work.
func (r *rig) lanes(lanes queue.LaneLister, after string, limit int) []queue.LaneInfo {
	r.Helper()
	got, err := lanes.Lanes(r.Context(), after, limit)
	r.must("Lanes", err)
	return got
}

// info returns what is listed of a lane, which is zero if the lane is not listed.
func (r *rig) info(lanes queue.LaneLister, lane string) queue.LaneInfo {
	r.Helper()
	for _, l := range r.lanes(lanes, "", 100) {
		if l.Lane == lane {
			return l
		}
	}
	return queue.LaneInfo{}
}

func laneNames(lanes []queue.LaneInfo) []string {
	var names []string
	for _, l := range lanes {
		names = append(names, l.Lane)
	}
	return names
}

// counts checks what is listed of a lane's jobs, where the store can tell.
func (r *rig) counts(lanes queue.LaneLister, lane string, ready, delayed, leased int, bytes int64) {
	r.Helper()
	got := r.info(lanes, lane)
	if got.Ready != ready || got.Delayed != delayed && got.Delayed != -1 ||
		got.Leased != leased && got.Leased != -1 || got.Bytes != bytes && got.Bytes != -1 {
		r.breaks("lane %q is listed as %+v; want %d ready, %d delayed, %d leased, %d bytes",
			lane, got, ready, delayed, leased, bytes)
	}
}

// dead checks how many dead letters lanes are listed with, where the store can tell. A lane that
// has nothing else is listed too.
func (r *rig) dead(lanes queue.LaneLister, want map[string]int) {
	r.Helper()
	for lane, n := range want {
		got := r.info(lanes, lane)
		if unlisted := got.Lane == "" && r.h.Lacks.Stats; got.Dead != n && got.Dead != -1 && !unlisted {
			r.breaks("lane %q is listed as %+v; want %d dead letters", lane, got, n)
		}
	}
}

// listedAs checks what is listed of a lane's state.
func (r *rig) listedAs(got queue.LaneInfo, health queue.Health, holds int, reason string) {
	r.Helper()
	if got.Health != health || got.Holds != holds || got.Reason != reason {
		r.breaks("lane %q is listed as %+v; want %v, %d holds and the reason %q", got.Lane, got, health, holds, reason)
	}
}

// around checks that a time is about want, by a server's clock.
func (r *rig) around(name string, at, want time.Time) {
	r.Helper()
	if off := at.Sub(want); off < -r.grace() || off > r.grace() {
		r.breaks("%s is %v; want about %v", name, at, want)
	}
}
