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
