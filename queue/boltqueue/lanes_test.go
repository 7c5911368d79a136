package boltqueue

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pushhooks/webhook/queue"
)

// fail makes a lane Failing and holds it.
func fail(t *testing.T, q *Queue, lane string, hold time.Duration) {
	t.Helper()
	must(t, q.SetLane(t.Context(), queue.LaneUpdate{Lane: lane, Health: queue.Failing, Hold: hold, Reason: "refused"}))
}

// laneInfo returns a lane's state, with no more than its name if it has none.
func laneInfo(t *testing.T, q *Queue, lane string) queue.LaneInfo {
	t.Helper()
	list, err := q.Lanes(t.Context(), "", 1000)
	must(t, err)
	for _, l := range list {
		if l.Lane == lane {
			return l
		}
	}
	return queue.LaneInfo{Lane: lane}
}

// laneRecordOf returns a lane's record in the file.
func laneRecordOf(t *testing.T, q *Queue, lane string) (r laneRecord, ok bool) {
	t.Helper()
	must(t, q.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(lanesBucket)).Get([]byte(lane))
		if b == nil {
			return nil
		}
		var err error
		r, err = decodeLane(b)
		ok = err == nil
		return err
	}))
	return r, ok
}

func TestLaneStateSurvivesACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueue(t, q, job("a", "healthy"), job("b", "held"), job("c", "failing"), job("d", "untried"))
		must(t, q.Ack(t.Context(), receive(t, q, 1)))
		fail(t, q, "held", time.Minute)
		fail(t, q, "held", 2*time.Minute)
		fail(t, q, "failing", 0)
		since := time.Now()
		time.Sleep(30 * time.Second)

		q = open(t, crashed(t, q), Options{})
		held := laneInfo(t, q, "held")
		if held.Health != queue.Failing || held.Holds != 2 || held.Reason != "refused" || !held.Since.Equal(since) ||
			!held.HeldUntil.Equal(since.Add(2*time.Minute)) {
			t.Errorf("the held lane: %+v", held)
		}
		for lane, want := range map[string]queue.Health{
			"healthy": queue.Healthy, "failing": queue.Failing, "untried": queue.Untried,
		} {
			if l := laneInfo(t, q, lane); l.Health != want || !l.HeldUntil.IsZero() {
				t.Errorf("%+v; want health %v and no hold", l, want)
			}
		}
		for range 3 {
			if l := receive(t, q, 10); len(l) != 2 || l[0].Lane == "held" || l[1].Lane == "held" {
				t.Errorf("received %q, want the jobs of the other two lanes", ids(l))
			}
			time.Sleep(30 * time.Second) // their leases end
		}
		for _, l := range receive(t, q, 10) {
			if l.ID == "b" && l.Probe && l.Holds == 2 && l.Health == queue.Failing {
				return
			}
		}
		t.Error("after the hold there is no probe")
	})
}

func TestAHoldThatASuccessEndedIsOverAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueue(t, q, numbered("j", "a", 3)...)
		fail(t, q, "a", time.Minute)
		time.Sleep(time.Minute)
		must(t, q.Ack(t.Context(), receive(t, q, 1)))
		q = open(t, crashed(t, q), Options{})
		if l := receive(t, q, 10); ids(l) != "j-1 j-2" || l[0].Health != queue.Healthy || l[0].Holds != 0 || l[0].Probe {
			t.Errorf("received %+v", l)
		}
	})
}

func TestAProbeThatWasCutOffIsDueAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueue(t, q, numbered("j", "a", 3)...)
		fail(t, q, "a", time.Minute)
		time.Sleep(time.Minute)
		receive(t, q, 1)
		q = open(t, crashed(t, q), Options{})
		if l := receive(t, q, 10); len(l) != 1 || !l[0].Probe {
			t.Errorf("received %+v, want a probe", l)
		}
	})
}

func TestAnAckOfAHealthyLaneWritesNothingOfIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		ack := func() laneRecord {
			t.Helper()
			enqueue(t, q, job(fmt.Sprint(time.Now().UnixNano()), "a"))
			must(t, q.Ack(t.Context(), receive(t, q, 1)))
			r, ok := laneRecordOf(t, q, "a")
			if !ok {
				t.Fatal("there is no record of the lane")
			}
			return r
		}
		first := ack()
		time.Sleep(seenEvery - time.Minute)
		q = open(t, crashed(t, q), Options{})
		if r := ack(); r != first {
			t.Errorf("the record was %+v and is %+v", first, r)
		}
		time.Sleep(time.Minute)
		if r := ack(); r.seen <= first.seen || r.since != first.since {
			t.Errorf("an hour later, the record was %+v and is %+v", first, r)
		}
	})
}

func TestAnUntriedLaneHasNoRecord(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	fail(t, q, "a", time.Minute)
	if _, ok := laneRecordOf(t, q, "a"); !ok {
		t.Fatal("there is no record of the failing lane")
	}
	must(t, q.SetLane(t.Context(), queue.LaneUpdate{Lane: "a"}))
	if r, ok := laneRecordOf(t, q, "a"); ok {
		t.Errorf("the record is there yet: %+v", r)
	}
}

func TestALaneIsForgottenADayAfterItsLastJob(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueue(t, q, job("j", "used"))
		fail(t, q, "unused", time.Second)
		must(t, q.Ack(t.Context(), receive(t, q, 1)))
		time.Sleep(23 * time.Hour)
		q = open(t, crashed(t, q), Options{})
		if used, unused := laneInfo(t, q, "used"), laneInfo(t, q, "unused"); used.Health != queue.Healthy || unused.Health != queue.Failing {
			t.Errorf("after 23 hours: %+v, %+v", used, unused)
		}
		time.Sleep(3 * time.Hour) // of which one is the record's precision
		enqueue(t, q, job("k", "other"))
		for _, lane := range []string{"used", "unused"} {
			if _, ok := laneRecordOf(t, q, lane); ok {
				t.Errorf("after 26 hours there is a record of the lane %q", lane)
			}
		}
	})
}

func TestALaneWithJobsIsNotForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueue(t, q, job("j", "a"))
		fail(t, q, "a", time.Minute)
		time.Sleep(50 * time.Hour)
		q = open(t, crashed(t, q), Options{})
		if l := laneInfo(t, q, "a"); l.Health != queue.Failing || l.Holds != 1 {
			t.Errorf("after 50 hours: %+v", l)
		}
	})
}

func TestALaneThatCannotBeNamedIsRefused(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: string(make([]byte, maxLane+1)), Health: queue.Failing}); err == nil {
		t.Error("a lane with a name of 513 bytes was taken")
	}
}

func TestALaneRecordThatCannotBeReadIsRemoved(t *testing.T) {
	t.Parallel()
	path := file(t)
	q := open(t, path, Options{})
	enqueue(t, q, job("j", "a"))
	fail(t, q, "a", 0)
	must(t, q.Close())
	edit(t, path, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(lanesBucket)).Put([]byte("a"), []byte{recordVersion, 7})
	})
	q = open(t, path, Options{})
	if l := receive(t, q, 1); l[0].Health != queue.Untried {
		t.Errorf("the lane is %v", l[0].Health)
	}
	if _, ok := laneRecordOf(t, q, "a"); ok {
		t.Error("the record is there yet")
	}
}

func TestALaneStateThatWasNotWrittenIsWrittenLater(t *testing.T) {
	t.Parallel()
	later := map[string]func(q *Queue) *Queue{
		"with the next change": func(q *Queue) *Queue {
			enqueue(t, q, job("j", "other"))
			return q
		},
		"by Close": func(q *Queue) *Queue {
			must(t, q.Close())
			return open(t, q.path, Options{})
		},
	}
	for name, write := range later {
		q := open(t, file(t), Options{})
		mend := breakDisk(t, q)
		if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: "a", Health: queue.Failing}); err == nil {
			t.Error("SetLane succeeded without a disk")
		}
		mend()
		q = write(q)
		if r, ok := laneRecordOf(t, q, "a"); !ok || r.health != uint8(queue.Failing) {
			t.Errorf("%s: the record is %+v, %v", name, r, ok)
		}
	}
}

func TestJobsThatCameBackGoFirstAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueue(t, q, numbered("j", "a", 4)...)
		l := receive(t, q, 4)
		must(t, q.Nack(t.Context(), []queue.Nack{{Lease: l[3], Delay: time.Minute}, {Lease: l[2], Counted: true}}))
		time.Sleep(2 * time.Minute) // the delay has ended, and so have the other leases
		q = open(t, crashed(t, q), Options{})
		enqueue(t, q, job("new", "a"))
		expect(t, receive(t, q, 10), "j-0 j-1 j-2 j-3 new")

		fail(t, q, "a", time.Minute)
		time.Sleep(2 * time.Minute)
		q = open(t, crashed(t, q), Options{})
		enqueue(t, q, job("newer", "a"))
		expect(t, receive(t, q, 10), "newer") // a probe is a job that was never worked on
	})
}

func TestPartsInAnOrderedLaneKeepTheirOrderAfterACrash(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	ordered := func(list []queue.Job) []queue.Job {
		for i := range list {
			list[i].Ordered = true
		}
		return list
	}
	enqueue(t, q, ordered(numbered("j", "a", 2))...)
	must(t, q.Replace(t.Context(), receive(t, q, 1)[0], ordered(jobs("a", "p", "q", "r"))))
	q = open(t, crashed(t, q), Options{})
	for _, want := range []string{"p", "q", "r", "j-1"} {
		l := receive(t, q, 10)
		expect(t, l, want)
		must(t, q.Ack(t.Context(), l))
	}
}

func TestPartsKeepFirstAndAgeAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := open(t, file(t), Options{})
		enqueued := time.Now()
		enqueue(t, q, job("j", "a"))
		time.Sleep(time.Minute)
		first := time.Now()
		must(t, q.Nack(t.Context(), []queue.Nack{{Lease: receive(t, q, 1)[0], Counted: true}}))
		time.Sleep(time.Minute)
		must(t, q.Replace(t.Context(), receive(t, q, 1)[0], jobs("a", "p")))
		time.Sleep(time.Minute)
		q = open(t, crashed(t, q), Options{})
		if l := receive(t, q, 1)[0]; l.Attempts != 0 || !l.First.Equal(first) || l.Age != time.Since(enqueued) {
			t.Errorf("the part: %+v; want First %v and Age %v", l, first, time.Since(enqueued))
		}
	})
}
