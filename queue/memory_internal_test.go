package queue

import (
	"fmt"
	"testing"
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
		leases, err := m.Receive(t.Context(), Want{Max: 1000, MaxPerLane: 1, MaxUntried: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Ack(t.Context(), leases); err != nil {
			t.Fatal(err)
		}
	}
	if n, size := m.set.Jobs(); n != 0 || size != 0 {
		t.Errorf("an empty queue holds %d jobs of %d bytes", n, size)
	}
	if len(m.ids) != remembered || len(m.left.ids) != remembered {
		t.Errorf("it remembers %d IDs and lists %d, want %d", len(m.ids), len(m.left.ids), remembered)
	}
}

// What the default bound keeps of lanes without jobs is what H6 promises.
func TestMemoryKeepsTheStateOfAHundredThousandLanesByDefault(t *testing.T) {
	t.Parallel()
	m, err := NewMemory(MemoryOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const lanes, more = 100_000, 1000
	for i := range lanes + more {
		job := Job{ID: fmt.Sprint("job", i), Lane: fmt.Sprint("lane", i)}
		if err := m.Enqueue(t.Context(), []Job{job}); err != nil {
			t.Fatal(err)
		}
		leases, err := m.Receive(t.Context(), Want{Max: 1, MaxPerLane: 1, MaxUntried: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Ack(t.Context(), leases); err != nil {
			t.Fatal(err)
		}
	}
	kept := 0
	for after := ""; ; {
		page, err := m.Lanes(t.Context(), after, lanes/4)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		kept += len(page)
		after = page[len(page)-1].Lane
	}
	if kept != lanes {
		t.Errorf("it keeps the states of %d lanes, want %d", kept, lanes)
	}
	if job := (Job{ID: "a", Lane: "new", Data: make([]byte, m.opts.MaxBytes/3)}); m.Enqueue(t.Context(), []Job{job}) != nil {
		t.Error("the states leave no room for jobs")
	}
}
