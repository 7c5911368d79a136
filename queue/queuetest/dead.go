package queuetest

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pushhooks/webhook/queue"
)

var deadChecks = []check{
	{"D1", "ADeadLetterIsNotReceived", func(r *rig) {
		r.enqueue(r.jobs("a", 2)...)
		leases := r.take(2)
		r.kill(leases[0], "gone")
		r.ack(leases[1])
		r.none(r.q.Traits().Lease+r.quiet(), "one job was acked and one is a dead letter")
	}},
	{"D1", "ADeadLetterIsListed", letters(func(r *rig, d queue.DeadLetters) {
		j := r.job("a")
		r.enqueue(j)
		before := time.Now()
		l := r.takeOne()
		r.kill(l, "bad_signature: it was altered; “ä”\n")
		got := r.listed(d, "", 10, 1)[0]
		r.sameJob(got.Job, j)
		if got.Reason != "bad_signature: it was altered; “ä”\n" {
			r.breaks("the reason is %q", got.Reason)
		}
		r.between("At", got.At, before)
		r.between("First", got.First, before)
		if got.Attempts != 1 {
			r.breaksRule("DeadLetter", "Attempts is %d; want 1, the last one included", got.Attempts)
		}
	})},
	{"D1", "AReasonOfAKiBIsListedWhole", letters(func(r *rig, d queue.DeadLetters) {
		reason := "status: " + strings.Repeat("ä", 508)
		r.enqueue(r.job("a"))
		r.kill(r.takeOne(), reason)
		if got := r.listed(d, "", 10, 1)[0].Reason; got != reason {
			r.breaks("the reason is %q; want %q", got, reason)
		}
	})},
	{"D1", "ALongReasonIsListedAsText", letters(func(r *rig, d queue.DeadLetters) {
		for _, reason := range []string{"status: " + strings.Repeat("ä", 30_000), "status:" + strings.Repeat("€", 20_000)} {
			r.enqueue(r.job("a"))
			r.kill(r.takeOne(), reason)
		}
		for _, l := range r.listed(d, "", 10, 2) {
			if !utf8.ValidString(l.Reason) || len(l.Reason) < 1000 || !strings.HasPrefix(l.Reason, "status:") {
				r.breaks("the reason is %q", l.Reason)
			}
		}
	})},
	{"D1", "AttemptsAndFirstAreKept", letters(func(r *rig, d queue.DeadLetters) {
		if r.q.Traits().AtMostOnce {
			return
		}
		r.enqueue(r.job("a"))
		before := time.Now()
		l := r.takeOne()
		after := time.Now()
		r.nack(l, r.h.Delay, true)
		r.kill(r.takeOne(), "retries_exhausted")
		got := r.listed(d, "", 10, 1)[0]
		if got.Attempts != 2 {
			r.breaksRule("DeadLetter", "Attempts is %d; want 2, the last one included", got.Attempts)
		}
		r.first(queue.Lease{Job: got.Job, First: got.First}, before, after)
	})},
	{"D1", "LettersAreListedOldestFirst", letters(func(r *rig, d queue.DeadLetters) {
		want := r.killed(5)
		var got []string
		after := ""
		for range 3 {
			n := min(2, 5-len(got))
			for _, l := range r.listed(d, after, 2, n) {
				got, after = append(got, l.ID), l.ID
			}
		}
		for i := range want {
			if got[i] != want[i].ID {
				r.stop("listed in the order %v; want %s", got, jobIDs(want))
			}
		}
		r.listed(d, after, 2, 0)
	})},
	{"D2", "TheOldestAreEvicted", func(r *rig) {
		if r.h.OpenDead == nil {
			return
		}
		r.use(r.h.OpenDead(r.T, 3))
		d, ok := r.q.(queue.DeadLetters)
		if !ok {
			return
		}
		want := r.killed(5)[2:]
		for i, l := range r.listed(d, "", 10, 3) {
			if l.ID != want[i].ID {
				r.breaks("dead letter %d is %q; want %q", i, l.ID, want[i].ID)
			}
		}
		if s, ok := r.q.(queue.StatsReader); ok && !r.h.Lacks.Stats {
			stats, err := s.Stats(r.Context())
			r.must("Stats", err)
			if stats.DeadDropped != 2 || stats.Dead != 3 {
				r.breaks("Stats has DeadDropped %d and Dead %d; want 2 and 3", stats.DeadDropped, stats.Dead)
			}
		}
	}},
	{"D3", "AReplayedJobIsNew", letters(func(r *rig, d queue.DeadLetters) {
		jobs := r.jobs("a", 2)
		r.enqueue(jobs...)
		leases := r.take(2)
		r.kill(leases[0], "gone")
		r.ack(leases[1])
		replay := r.replay(d, leases[0].Job)
		r.listed(d, "", 10, 0)
		r.replayed(replay)
	})},
	{"D3", "AReplayedJobIsReplayedAgain", letters(func(r *rig, d queue.DeadLetters) {
		j := r.job("a")
		r.enqueue(j)
		l := r.takeOne()
		for range 3 {
			r.kill(l, "gone")
			l = r.replayed(r.replay(d, l.Job))
		}
		r.ack(l)
		r.none(r.quiet(), "the job was acked")
	})},
	{"D3", "AReplayedJobIsTheLastOfItsLane", letters(func(r *rig, d queue.DeadLetters) {
		if r.h.Lacks.Order {
			return
		}
		r.enqueue(r.job("a"))
		l := r.takeOne()
		r.kill(l, "gone")
		jobs := r.jobs("a", 2)
		r.enqueue(jobs...)
		replay := r.replay(d, l.Job)
		r.inOrder(r.take(3), append(jobs, replay))
	})},
	{"D4", "ReplaySkipsWhatIsNotThere", letters(func(r *rig, d queue.DeadLetters) {
		dead := r.killed(2)
		n, err := d.Replay(r.Context(), replays(queue.Job{ID: "no-such-job", Lane: "a"}, dead[1], dead[1]))
		r.must("Replay", err)
		if n != 1 {
			r.breaks("Replay returned %d; want 1", n)
		}
		if got := r.listed(d, "", 10, 1); got[0].ID != dead[0].ID {
			r.breaks("%q is left; want %q", got[0].ID, dead[0].ID)
		}
		r.ack(r.takeOne())
		r.none(r.quiet(), "one job was replayed")
	})},
	{"D4", "DiscardSkipsWhatIsNotThere", letters(func(r *rig, d queue.DeadLetters) {
		dead := r.killed(2)
		n, err := d.Discard(r.Context(), []string{dead[0].ID, "no-such-job", dead[0].ID})
		r.must("Discard", err)
		if n != 1 {
			r.breaks("Discard returned %d; want 1", n)
		}
		if got := r.listed(d, "", 10, 1); got[0].ID != dead[1].ID {
			r.breaks("%q is left; want %q", got[0].ID, dead[1].ID)
		}
		r.none(r.quiet(), "a discarded dead letter is forgotten")
	})},
	{"D4", "OnlyDeadLettersAreReplayedOrDiscarded", letters(func(r *rig, d queue.DeadLetters) {
		jobs := r.jobs("a", 2)
		r.enqueue(jobs...)
		l := r.receiveOne()
		for name, call := range map[string]func() (int, error){
			"Replay":  func() (int, error) { return d.Replay(r.Context(), replays(jobs...)) },
			"Discard": func() (int, error) { return d.Discard(r.Context(), []string{jobs[0].ID, jobs[1].ID}) },
		} {
			n, err := call()
			r.must(name, err)
			if n != 0 {
				r.breaks("%s of jobs that are no dead letters returned %d; want 0", name, n)
			}
		}
		r.ack(l, r.takeOne())
		r.none(r.quiet(), "both jobs were acked")
	})},
}

// letters is a check for drivers that list their dead letters.
func letters(run func(r *rig, d queue.DeadLetters)) func(r *rig) {
	return func(r *rig) {
		if d, ok := r.q.(queue.DeadLetters); ok {
			run(r, d)
		}
	}
}

// kill makes a dead letter.
func (r *rig) kill(l queue.Lease, reason string) {
	r.Helper()
	r.must("DeadLetter", r.q.DeadLetter(r.Context(), l, reason))
}

// killed makes n dead letters and returns their jobs.
func (r *rig) killed(n int) []queue.Job {
	r.Helper()
	r.enqueue(r.jobs("a", n)...)
	var dead []queue.Job
	for _, l := range r.take(n) {
		r.kill(l, "gone")
		dead = append(dead, l.Job)
	}
	return dead
}

// listed returns dead letters, of which there must be n.
func (r *rig) listed(d queue.DeadLetters, after string, limit, n int) []queue.DeadLetter {
	r.Helper()
	got, err := d.DeadLetters(r.Context(), after, limit)
	r.must("DeadLetters", err)
	if len(got) != n {
		r.stop("%d dead letters are listed after %q; want %d", len(got), after, n)
	}
	return got
}

// replayOf returns a dead letter's new job, whose Data is new too.
func replayOf(j queue.Job) queue.Job {
	j.ID = queue.ReplayID(j.ID)
	j.Data = append(slices.Clone(j.Data), "again"...)
	return j
}

// replays returns what replays dead letters.
func replays(letters ...queue.Job) []queue.Replayed {
	replayed := make([]queue.Replayed, len(letters))
	for i, j := range letters {
		replayed[i] = queue.Replayed{ID: j.ID, Job: replayOf(j)}
	}
	return replayed
}

// replay replays one dead letter and returns its new job.
func (r *rig) replay(d queue.DeadLetters, letter queue.Job) queue.Job {
	r.Helper()
	replayed := replays(letter)
	n, err := d.Replay(r.Context(), replayed)
	r.must("Replay", err)
	if n != 1 {
		r.stop("Replay returned %d; want 1", n)
	}
	return replayed[0].Job
}

// replayed receives a replayed job.
func (r *rig) replayed(want queue.Job) queue.Lease {
	r.Helper()
	l := r.takeOne()
	r.sameJob(l.Job, want)
	if l.Attempts != 0 || !l.First.IsZero() {
		r.breaks("%q has Attempts %d and First %v; want 0 and zero", l.ID, l.Attempts, l.First)
	}
	return l
}

// between checks that a time is not before from and not in the future, by a server's clock.
func (r *rig) between(name string, at, from time.Time) {
	r.Helper()
	if at.Before(from.Add(-r.grace())) || at.After(time.Now().Add(r.grace())) {
		r.breaksRule("DeadLetter", "%s is %v; want between %v and now", name, at, from)
	}
}
