package flatqueue

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
)

var errInjected = errors.New("injected")

// ordered makes n jobs of one ordered lane.
func ordered(lane string, n int) []queue.Job {
	jobs := numbered(lane, n)
	for i := range jobs {
		jobs[i].Ordered = true
	}
	return jobs
}

func TestSettlementThatFailsLeavesTheLease(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		enqueue(t, q, numbered("a", 1)...)
		l := receiveOne(t, q)
		one := []queue.Lease{l}
		for _, c := range []struct {
			name, method string
			call         func() error
		}{
			{"Ack", "Delete", func() error { return q.Ack(t.Context(), one) }},
			{"Replace", "Delete", func() error { return q.Replace(t.Context(), l, nil) }},
			{"Replace by parts", "Send", func() error { return q.Replace(t.Context(), l, numbered("a", 3)[1:]) }},
			{"Nack", "Hide", func() error { return q.Nack(t.Context(), []queue.Nack{{Lease: l, Delay: time.Second}}) }},
			{"Extend", "Hide", func() error { return q.Extend(t.Context(), one) }},
			{"DeadLetter", "Bury", func() error { return q.DeadLetter(t.Context(), l, "gone") }},
			{"DeadLetter", "Delete", func() error { return q.DeadLetter(t.Context(), l, "gone") }},
			{"DeadLetter again", "Delete", func() error { return q.DeadLetter(t.Context(), l, "gone") }},
		} {
			f.setFail(c.method, errInjected)
			if err := c.call(); !errors.Is(err, errInjected) {
				t.Errorf("%s returned %v; want the error of %s", c.name, err, c.method)
			}
			f.setFail(c.method, nil)
		}
		if err := q.Extend(t.Context(), one); err != nil {
			t.Errorf("Extend returned %v after failures; want the lease to last", err)
		}
		ack(t, q, l)
		if got := f.jobs(); len(got) > 0 {
			t.Errorf("the store has %v; want nothing", got)
		}
		if n := len(f.letters); n != 1 {
			t.Errorf("%d dead letters of one job; want one", n)
		}
	})
}

func TestSettledJobThatComesBackIsDeleted(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		enqueue(t, q, numbered("a", 1)...)
		l := receiveOne(t, q)
		f.setFail("Delete", errInjected)
		if err := q.DeadLetter(t.Context(), l, "gone"); err == nil {
			t.Fatal("DeadLetter succeeded")
		}
		time.Sleep(time.Minute)
		f.setFail("Delete", nil)
		none(t, q, 10*time.Second)
		if got := f.jobs(); len(got) > 0 || len(f.letters) != 1 {
			t.Errorf("the store has %v and %d dead letters; want nothing and one", got, len(f.letters))
		}
	})
}

func TestNothingOvertakesAnOrderedJobThatWasLost(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		f.groups = true
		q := open(t, f, nil)
		enqueue(t, q, ordered("a", 3)...)
		l := receiveOne(t, q)
		f.setLose("a-0", true)
		if err := q.Extend(t.Context(), []queue.Lease{l}); !errors.Is(err, queue.ErrLeaseLost) {
			t.Fatalf("Extend returned %v; want ErrLeaseLost", err)
		}
		none(t, q, 20*time.Second)
		f.setLose("a-0", false)
		var got []string
		for range 3 {
			l := receiveOne(t, q)
			got = append(got, l.ID)
			ack(t, q, l)
		}
		if want := []string{"a-0", "a-1", "a-2"}; !slices.Equal(got, want) {
			t.Errorf("received %v; want %v", got, want)
		}
	})
}

func TestOrderedJobThatFailsIsRetriedHere(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		f.groups = true
		q := open(t, f, nil)
		enqueue(t, q, ordered("a", 3)...)
		for n := range 5 {
			l := receive(t, q, all(10), time.Minute)
			if len(l) != 1 || l[0].ID != "a-0" || l[0].Attempts != n {
				t.Fatalf("received %v; want the first job alone, with %d attempts", l, n)
			}
			nack(t, q, l[0], 5*time.Second, true)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, m := range f.messages {
			if m.Receives != 1 {
				t.Errorf("message %s was received %d times; want once", m.MessageID, m.Receives)
			}
		}
	})
}

func TestNobodyWaitsNobodyCallsTheStore(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		enqueue(t, q, numbered("a", 1)...)
		receive(t, q, skipping(1, "a"), time.Second)
		time.Sleep(2 * time.Minute)
		calls := f.called("Receive") + f.called("Hide")
		time.Sleep(time.Hour)
		if now := f.called("Receive") + f.called("Hide"); now != calls {
			t.Errorf("%d calls while nobody waited", now-calls)
		}
	})
}

func TestEnqueueTellsWhatWasNotTaken(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		f.setFail("Send", errInjected)
		var batch *queue.BatchError
		if err := q.Enqueue(t.Context(), numbered("a", 3)); !errors.Is(err, errInjected) || errors.As(err, &batch) {
			t.Errorf("Enqueue returned %v; want an error that leaves open what was taken", err)
		}
		f.setFail("Send", nil)
		jobs := numbered("a", 3)
		enqueue(t, q, append(jobs, jobs...)...)
		enqueue(t, q, jobs...)
		if got := f.jobs(); len(got) != 3 {
			t.Errorf("the store has %v; want each job once", got)
		}
	})
}

func TestMessageThatCannotBeGivenBackIsVisibleInTheEnd(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, func(o *Options) { o.ParkedJobs = 8 })
		fails(t, q, "dead", time.Minute)
		f.setFail("Hide", errInjected)
		enqueue(t, q, numbered("dead", 50)...)
		receive(t, q, skipping(10, "dead"), 2*time.Minute)
		f.setFail("Hide", nil)
		got := make(map[string]bool)
		for start := time.Now(); len(got) < 51 && time.Since(start) < 30*time.Minute; {
			for _, l := range receive(t, q, all(10), time.Minute) {
				if l.ID == "first of dead" && l.Attempts == 0 || l.ID != "first of dead" && l.Attempts > 0 {
					t.Errorf("job %s has %d attempts", l.ID, l.Attempts)
				}
				got[l.ID] = true
				ack(t, q, l)
			}
		}
		if len(got) != 51 {
			t.Errorf("received %d jobs; want 51", len(got))
		}
	})
}

func TestSettlementThatIsLostEndsTheLease(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		jobs := numbered("a", 4)
		enqueue(t, q, jobs...)
		leases := receive(t, q, all(4), time.Minute)
		for _, l := range leases {
			f.setLose(l.ID, true)
		}
		for i, call := range []func(l queue.Lease) error{
			func(l queue.Lease) error { return q.Ack(t.Context(), []queue.Lease{l}) },
			func(l queue.Lease) error { return q.DeadLetter(t.Context(), l, "gone") },
			func(l queue.Lease) error { return q.Replace(t.Context(), l, nil) },
			func(l queue.Lease) error { return q.Nack(t.Context(), []queue.Nack{{Lease: l, Delay: time.Second}}) },
		} {
			if err := call(leases[i]); !errors.Is(err, queue.ErrLeaseLost) {
				t.Errorf("call %d returned %v; want ErrLeaseLost", i, err)
			}
		}
		for _, l := range leases {
			f.setLose(l.ID, false)
		}
		for i, l := range leases {
			if err := q.Extend(t.Context(), []queue.Lease{l}); !errors.Is(err, queue.ErrLeaseLost) {
				t.Errorf("after call %d Extend returned %v; want ErrLeaseLost", i, err)
			}
		}
	})
}

// The store may return a message before it has answered the call that made it visible.
func TestMessageThatComesBackBeforeItsNackIsAnswered(t *testing.T) {
	for _, counted := range []bool{false, true} {
		t.Run(fmt.Sprint("Counted=", counted), func(t *testing.T) {
			virtual(t, func(t *testing.T, f *flat) {
				q := open(t, f, nil)
				enqueue(t, q, numbered("a", 1)...)
				l := receiveOne(t, q)
				f.mu.Lock()
				f.slow = 10 * time.Second
				f.mu.Unlock()
				done := make(chan error, 1)
				go func() { done <- q.Nack(t.Context(), []queue.Nack{{Lease: l, Delay: time.Second, Counted: counted}}) }()
				again := receiveOne(t, q)
				if want := map[bool]int{true: 1}[counted]; again.Attempts != want || again.First.IsZero() == counted {
					t.Errorf("received %+v; want %d attempts", again, want)
				}
				if err := <-done; err != nil {
					t.Error("Nack:", err)
				}
				ack(t, q, again)
				if got := f.jobs(); len(got) > 0 {
					t.Errorf("the store has %v; want nothing", got)
				}
			})
		})
	}
}

func TestParkedMessageThatIsVisibleAgainIsDropped(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		enqueue(t, q, numbered("a", 1)...)
		receive(t, q, skipping(1, "a"), 10*time.Second)
		f.setFail("Hide", errInjected)
		f.setFail("Receive", errInjected)
		time.Sleep(40 * time.Second)
		if n := parked(q); n != 0 {
			t.Errorf("%d messages are parked that are visible to all; want none", n)
		}
		f.setFail("Hide", nil)
		f.setFail("Receive", nil)
		if l := receiveOne(t, q); l.Attempts != 0 {
			t.Errorf("received %+v; want no attempts", l)
		}
	})
}

func TestLeaseThatCannotBeExtendedIsReleased(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		q := open(t, f, nil)
		enqueue(t, q, numbered("a", 1)...)
		receive(t, q, skipping(1, "a"), 10*time.Second) // parked, and older than a fresh lease
		f.setFail("Hide", errInjected)
		if leases, err := q.Receive(t.Context(), all(1)); len(leases) > 0 || !errors.Is(err, errInjected) {
			t.Fatalf("Receive returned %v, %v; want the store's error", leases, err)
		}
		f.setFail("Hide", nil)
		start := time.Now()
		if l := receiveOne(t, q); l.Attempts != 0 || time.Since(start) > 0 {
			t.Errorf("received %+v after %v; want the job at once and unused", l, time.Since(start))
		}
	})
}

func TestPartsOfAnOrderedJobKeepWhatItHasBehindIt(t *testing.T) {
	virtual(t, func(t *testing.T, f *flat) {
		f.groups = true
		q := open(t, f, nil)
		start := time.Now()
		enqueue(t, q, ordered("a", 1)...)
		nack(t, q, receiveOne(t, q), 9*time.Second, true)
		parts := ordered("a", 3)[1:]
		if err := q.Replace(t.Context(), receiveOne(t, q), parts); err != nil {
			t.Fatal(err)
		}
		for i := range parts {
			l := receiveOne(t, q)
			if l.ID != parts[i].ID || l.Attempts != 0 || !l.First.Equal(start) || l.Age != time.Since(start) {
				t.Errorf("received %+v; want part %d with First and Age of the whole", l, i)
			}
			ack(t, q, l)
		}
		if got := f.jobs(); len(got) > 0 {
			t.Errorf("the store has %v; want nothing", got)
		}
	})
}

func TestPartThatIsTooLargeIsRefused(t *testing.T) {
	for _, groups := range []bool{false, true} {
		t.Run(fmt.Sprint("Groups=", groups), func(t *testing.T) {
			virtual(t, func(t *testing.T, f *flat) {
				f.groups = groups
				q := open(t, f, func(o *Options) { o.MaxJobBytes = 5 })
				enqueue(t, q, ordered("a", 1)...)
				l := receiveOne(t, q)
				parts := ordered("a", 2)[1:]
				parts[0].Data = []byte("larger")
				if err := q.Replace(t.Context(), l, parts); !errors.Is(err, queue.ErrTooLarge) {
					t.Errorf("Replace returned %v; want ErrTooLarge", err)
				}
				ack(t, q, l) // it has its lease still
			})
		})
	}
}
