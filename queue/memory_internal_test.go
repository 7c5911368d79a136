package queue

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Everything that a job needed is given back, except for its marker.
func TestMemoryKeepsNothingOfSettledJobs(t *testing.T) {
	t.Parallel()
	m, err := NewMemory(MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 50 {
		var jobs []Job
		for i := range 1000 {
			jobs = append(jobs, Job{ID: fmt.Sprint(round, "-", i), Lane: fmt.Sprint("lane", i), Data: []byte("data"), Ordered: i%2 == 0})
		}
		if err := m.Enqueue(t.Context(), jobs); err != nil {
			t.Fatal(err)
		}
		leases, err := m.Receive(t.Context(), Want{Jobs: 1000, Lane: 1, Cold: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Ack(t.Context(), leases); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.lanes) != 0 || m.ring.len != 0 || m.aside.len != 0 || m.live.len != 0 || m.leased.len != 0 || m.bytes != 0 {
		t.Errorf("an empty queue holds %d lanes, %d open, %d aside, %d jobs, %d leases, %d bytes",
			len(m.lanes), m.ring.len, m.aside.len, m.live.len, m.leased.len, m.bytes)
	}
	if len(m.jobs) != remembered || len(m.settled.ids) != remembered {
		t.Errorf("it remembers %d IDs and lists %d, want %d", len(m.jobs), len(m.settled.ids), remembered)
	}
}

func TestMemoryRunsNoTimerWhenNobodyWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, err := NewMemory(MemoryOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Enqueue(t.Context(), []Job{{ID: "j", Lane: "l"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Receive(t.Context(), Want{Jobs: 1, Lane: 1, Cold: 1}); err != nil {
			t.Fatal(err)
		}
		if m.timer != nil {
			t.Error("there is a timer although nobody waits")
		}
		if _, err := m.Receive(t.Context(), Want{Jobs: 1, Lane: 1, Cold: 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // virtual
		synctest.Wait()
		if !m.armed.IsZero() {
			t.Error("the timer is set although nobody waits")
		}
	})
}
