package queue

import (
	"cmp"
	"fmt"
	"time"

	"github.com/pushhooks/webhook/internal/limits"
)

// MemoryOptions configures a [Memory]. The zero value of every field is its default; a negative one
// is an error.
type MemoryOptions struct {
	// MaxJobs bounds the jobs that are ready, delayed or leased. Defaults to 100,000.
	MaxJobs int

	// MaxBytes bounds what those jobs take in memory: their Data, and about 400 bytes for each job
	// and 768 for each lane. The states of lanes without jobs, 100 bytes of a healthy one, take
	// half of it at most, so that the default keeps those of 100,000 lanes (H6), and the IDs that
	// left an eighth. Defaults to 24 MiB.
	MaxBytes int64

	// Lease is how long a lease lasts from Receive, and again from each Extend. Defaults to 30
	// seconds.
	Lease time.Duration

	// MaxDead bounds the number of dead letters. Defaults to 10,000.
	MaxDead int

	// MaxDeadBytes bounds what the dead letters take in memory: their Data, and about 640 bytes for
	// each. Beyond it they are evicted from the lane that has the most bytes, its oldest first.
	// Defaults to 8 MiB.
	MaxDeadBytes int64

	// MaxDeadAge is how long dead letters are kept. Defaults to 7 days.
	MaxDeadAge time.Duration
}

// withDefaults returns o with its zero fields filled in.
func (o MemoryOptions) withDefaults() MemoryOptions {
	o.MaxJobs = cmp.Or(o.MaxJobs, 100_000)
	o.MaxBytes = cmp.Or(o.MaxBytes, 24<<20)
	o.Lease = cmp.Or(o.Lease, 30*time.Second)
	o.MaxDead = cmp.Or(o.MaxDead, 10_000)
	o.MaxDeadBytes = cmp.Or(o.MaxDeadBytes, 8<<20)
	o.MaxDeadAge = cmp.Or(o.MaxDeadAge, 7*24*time.Hour)
	return o
}

// validate names the first field that cannot be used.
func (o MemoryOptions) validate() error {
	for _, field := range []struct{ name, problem string }{
		{"MaxJobs", limits.Problem(o.MaxJobs, 0, limits.Count)},
		{"MaxBytes", limits.Problem(o.MaxBytes, 0, limits.Bytes)},
		{"Lease", limits.Problem(o.Lease, 0, limits.Lease)},
		{"MaxDead", limits.Problem(o.MaxDead, 0, limits.Count)},
		{"MaxDeadBytes", limits.Problem(o.MaxDeadBytes, 0, limits.Bytes)},
		{"MaxDeadAge", limits.Problem(o.MaxDeadAge, 0, limits.Age)},
	} {
		if field.problem != "" {
			return fmt.Errorf("queue: MemoryOptions.%s %s", field.name, field.problem)
		}
	}
	return nil
}
