package redisqueue

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pushhooks/webhook/internal/limits"
)

// Options configures a Queue. The zero value of every field is its default.
type Options struct {
	// Prefix begins the name of every key, and of the channel that wakes receivers. Queues that
	// share jobs have the same prefix; queues that must not meet have different ones. Braces are
	// not allowed. Defaults to "pushhooks:".
	Prefix string

	// Partitions is the number of parts that the lanes are spread over. On a Redis Cluster they are
	// spread over its masters; on a single server more than one brings nothing. It is stored in
	// Redis at first use, and New fails if it differs from what is stored. Between 1 and 256.
	// Defaults to what is stored, else to 16 on a cluster and to 1 on a single server.
	Partitions int

	// Lease is how long a received job belongs to its receiver, from Receive and again from each
	// Extend. At least 10 ms. Defaults to 30 seconds.
	Lease time.Duration

	// AtMostOnce removes jobs when they are received. A failed attempt is not repeated, and what a
	// killed process had received is lost. Ordered lanes are not kept in order then.
	AtMostOnce bool

	// MaxJobs and MaxBytes bound what one partition holds: jobs that are ready, delayed or leased,
	// and their Data. Beyond them Enqueue fails with queue.ErrFull. It also does for a lane that
	// holds 16 times the room that is free, so that no lane fills the partition alone. Failing
	// lanes share half; beyond that their jobs get queue.ErrLaneFailing. They default to 1,000,000
	// jobs and 1 GiB.
	MaxJobs  int
	MaxBytes int64

	// MaxJobBytes is the largest Data of one job. Beyond it Enqueue fails with queue.ErrTooLarge.
	// Defaults to 4 MiB.
	MaxJobBytes int

	// MaxDead, MaxDeadBytes and MaxDeadAge bound the dead letters. The oldest are evicted, or,
	// beyond MaxDeadBytes, the oldest of the lane that has the most bytes. When Redis's memory is
	// full, dead letters are evicted for new jobs. They default to 10,000, 64 MiB and 7 days.
	MaxDead      int
	MaxDeadBytes int64
	MaxDeadAge   time.Duration

	// MarkerTTL is how long the ID of an acked job is remembered at least; it is forgotten after
	// twice that time. MaxMarkers bounds how many are remembered in a partition, at about 90 bytes
	// each; beyond it they are remembered for a shorter time. They default to 5 minutes and
	// 1,000,000.
	MarkerTTL  time.Duration
	MaxMarkers int
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = "pushhooks:"
	}
	orDefault(&o.Lease, 30*time.Second)
	orDefault(&o.MaxJobs, 1_000_000)
	orDefault(&o.MaxBytes, 1<<30)
	orDefault(&o.MaxJobBytes, 4<<20)
	orDefault(&o.MaxDead, 10_000)
	orDefault(&o.MaxDeadBytes, 64<<20)
	orDefault(&o.MaxDeadAge, 7*24*time.Hour)
	orDefault(&o.MarkerTTL, 5*time.Minute)
	orDefault(&o.MaxMarkers, 1_000_000)
	return o
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

const (
	maxPartitions = 256
	minLease      = 10 * time.Millisecond
	maxJobBytes   = 512_000_000 // Redis keeps values of at most 512 MiB
)

// validate reports every mistake at once. It expects the defaults to be set.
func (o Options) validate() error {
	var errs []error
	wrong := func(bad bool, field string, value any, want string) {
		if bad {
			errs = append(errs, fmt.Errorf("redisqueue: Options.%s is %v: it must be %s", field, value, want))
		}
	}
	wrong(strings.ContainsAny(o.Prefix, "{}"), "Prefix", fmt.Sprintf("%q", o.Prefix), "without braces")
	wrong(o.Partitions < 0 || o.Partitions > maxPartitions, "Partitions", o.Partitions, fmt.Sprintf("between 1 and %d", maxPartitions))
	for _, field := range []struct{ name, problem string }{
		{"Lease", limits.Problem(o.Lease, minLease, limits.Lease)},
		{"MaxJobs", limits.Problem(o.MaxJobs, 1, limits.Count)},
		{"MaxBytes", limits.Problem(o.MaxBytes, 1, limits.Bytes)},
		{"MaxJobBytes", limits.Problem(o.MaxJobBytes, 1, maxJobBytes)},
		{"MaxDead", limits.Problem(o.MaxDead, 1, limits.Count)},
		{"MaxDeadBytes", limits.Problem(o.MaxDeadBytes, 1, limits.Bytes)},
		{"MaxDeadAge", limits.Problem(o.MaxDeadAge, time.Second, limits.Age)},
		{"MarkerTTL", limits.Problem(o.MarkerTTL, time.Second, limits.Age)},
		{"MaxMarkers", limits.Problem(o.MaxMarkers, 2, limits.Count)},
	} {
		if field.problem != "" {
			errs = append(errs, fmt.Errorf("redisqueue: Options.%s %s", field.name, field.problem))
		}
	}
	return errors.Join(errs...)
}
