package boltqueue

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/internal/limits"
)

// Options configures a [Queue]. The zero value of every field is its default; a negative one is an
// error.
type Options struct {
	// Lease is how long a lease lasts from Receive, and again from each Extend. Defaults to 30
	// seconds.
	Lease time.Duration

	// MaxJobs bounds the jobs that are ready, delayed or leased. The index in memory has 255 bytes
	// for each, and 24 MiB at least. A job takes up to 170 and a lane with jobs 400, so it is full
	// before if most jobs have lanes of their own: the default takes 44,000 of those. Defaults to
	// 100,000, so that a process with the defaults stays below 150 MiB; raise it for longer
	// backlogs.
	MaxJobs int

	// MaxBytes bounds the Data of those jobs. The file is somewhat larger. Defaults to 4 GiB.
	MaxBytes int64

	// MaxDead bounds the number of dead letters. Defaults to 10,000.
	MaxDead int

	// MaxDeadBytes bounds the Data of the dead letters. Beyond it they are evicted from the lane
	// that has the most bytes, its oldest first. Defaults to 64 MiB.
	MaxDeadBytes int64

	// MaxDeadAge is how long dead letters are kept. Defaults to 7 days.
	MaxDeadAge time.Duration

	// MaxMarkers is how many IDs of settled jobs are remembered, so that a late copy of one is not
	// taken for a new job. Defaults to 100,000.
	MaxMarkers int

	// Logger gets a warning from [Open] if the file is on a network file system. Defaults to
	// slog.Default().
	Logger *slog.Logger

	maxFile int                    // bytes, for tests: makes the disk full
	syncDir func(dir string) error // for tests
}

// maxData bounds the Data of one job, whatever MaxBytes is.
const maxData = math.MaxInt32 / 2

// withDefaults returns o with its zero fields filled in.
func (o Options) withDefaults() Options {
	o.Lease = cmp.Or(o.Lease, 30*time.Second)
	o.MaxJobs = cmp.Or(o.MaxJobs, 100_000)
	o.MaxBytes = cmp.Or(o.MaxBytes, 4<<30)
	o.MaxDead = cmp.Or(o.MaxDead, 10_000)
	o.MaxDeadBytes = cmp.Or(o.MaxDeadBytes, 64<<20)
	o.MaxDeadAge = cmp.Or(o.MaxDeadAge, 7*24*time.Hour)
	o.MaxMarkers = cmp.Or(o.MaxMarkers, 100_000)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	if o.syncDir == nil {
		o.syncDir = syncDir
	}
	return o
}

// validate names the first field that cannot be used.
func (o Options) validate() error {
	for _, field := range []struct{ name, problem string }{
		{"Lease", limits.Problem(o.Lease, 0, limits.Lease)},
		{"MaxJobs", limits.Problem(o.MaxJobs, 0, limits.Count)},
		{"MaxBytes", limits.Problem(o.MaxBytes, 0, limits.Bytes)},
		{"MaxDead", limits.Problem(o.MaxDead, 0, limits.Count)},
		{"MaxDeadBytes", limits.Problem(o.MaxDeadBytes, 0, limits.Bytes)},
		{"MaxDeadAge", limits.Problem(o.MaxDeadAge, 0, limits.Age)},
		{"MaxMarkers", limits.Problem(o.MaxMarkers, 0, limits.Count)},
	} {
		if field.problem != "" {
			return fmt.Errorf("boltqueue: Options.%s %s", field.name, field.problem)
		}
	}
	return nil
}

// What the index takes in memory for each job and for each lane with jobs, and of all of them at
// least. A benchmark measures it.
const (
	indexJob  = 170
	indexLane = 400
	minIndex  = 24 << 20
)

// bounds returns what the queue may hold. The index has room for MaxJobs, unless each has a lane of
// its own.
func (o *Options) bounds() lanes.Bounds {
	return lanes.Bounds{
		Jobs: o.MaxJobs, Bytes: o.MaxBytes,
		Index: max(minIndex, int64(o.MaxJobs)*(indexJob+indexJob/2)), IndexJob: indexJob, IndexLane: indexLane,
	}
}

// maxJob returns the largest Data that one job may have.
func (o *Options) maxJob() int64 { return min(o.MaxBytes, maxData) }
