package webhook

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// riggedQueue is a memory queue with other traits, and whose methods go through the test's
// functions, where it has any.
type riggedQueue struct {
	*queue.Memory
	traits    queue.Traits
	onEnqueue func(ctx context.Context, jobs []queue.Job) error
	onReceive func(ctx context.Context, w queue.Want) ([]queue.Lease, error)
	onExtend  func(ctx context.Context, leases []queue.Lease) error
	onAck     func(ctx context.Context, leases []queue.Lease) error
	onNack    func(ctx context.Context, nacks []queue.Nack) error
	onRelease func(ctx context.Context, leases []queue.Lease) error
	onDead    func(ctx context.Context, l queue.Lease, reason string) error
}

// rig makes a riggedQueue that is durable and not in this process, as one on a server is.
func rig(t *testing.T, o queue.MemoryOptions) *riggedQueue {
	t.Helper()
	m := memory(t, o)
	traits := m.Traits()
	traits.Durable, traits.InProcess = true, false
	return &riggedQueue{Memory: m, traits: traits}
}

func memory(t *testing.T, o queue.MemoryOptions) *queue.Memory {
	t.Helper()
	m, err := queue.NewMemory(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func (q *riggedQueue) Traits() queue.Traits { return q.traits }

func (q *riggedQueue) Enqueue(ctx context.Context, jobs []queue.Job) error {
	if q.onEnqueue != nil {
		return q.onEnqueue(ctx, jobs)
	}
	return q.Memory.Enqueue(ctx, jobs)
}

func (q *riggedQueue) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	if q.onReceive != nil {
		return q.onReceive(ctx, w)
	}
	return q.Memory.Receive(ctx, w)
}

func (q *riggedQueue) Extend(ctx context.Context, leases []queue.Lease) error {
	if q.onExtend != nil {
		return q.onExtend(ctx, leases)
	}
	return q.Memory.Extend(ctx, leases)
}

func (q *riggedQueue) Ack(ctx context.Context, leases []queue.Lease) error {
	if q.onAck != nil {
		return q.onAck(ctx, leases)
	}
	return q.Memory.Ack(ctx, leases)
}

func (q *riggedQueue) Nack(ctx context.Context, nacks []queue.Nack) error {
	if q.onNack != nil {
		return q.onNack(ctx, nacks)
	}
	return q.Memory.Nack(ctx, nacks)
}

func (q *riggedQueue) Release(ctx context.Context, leases []queue.Lease) error {
	if q.onRelease != nil {
		return q.onRelease(ctx, leases)
	}
	return q.Memory.Release(ctx, leases)
}

func (q *riggedQueue) DeadLetter(ctx context.Context, l queue.Lease, reason string) error {
	if q.onDead != nil {
		return q.onDead(ctx, l, reason)
	}
	return q.Memory.DeadLetter(ctx, l, reason)
}

// hang waits until ctx ends, as a call to a server that is not there does.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// with sets the emitter's queue.
func with(q queue.Queue) func(*Options) { return func(o *Options) { o.Queue = q } }

// apps sets the emitter's apps.
func apps(list ...App) func(*Options) { return func(o *Options) { o.Apps = list } }

// unbatched makes every event a job.
func unbatched(o *Options) { o.Batching.Disabled = true }

// debugLog has the emitter write all of its lines to a buffer.
func debugLog(to *logBuffer) func(*Options) {
	return func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
}

// logBuffer is a bytes.Buffer for many goroutines.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// deadLetters returns all dead letters of the emitter's queue.
func deadLetters(t *testing.T, e *Emitter) []queue.DeadLetter {
	t.Helper()
	dead, err := e.queue.(queue.DeadLetters).DeadLetters(t.Context(), "", 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	return dead
}

// replayAll replays all dead letters and returns how many there were.
func replayAll(t *testing.T, e *Emitter) int {
	t.Helper()
	want := len(deadLetters(t, e))
	n, err := e.Replay(t.Context(), DeadLetterQuery{})
	if err != nil || n != want {
		t.Fatalf("replayed %d of %d: %v", n, want, err)
	}
	return n
}

// takes makes an endpoint that accepts everything after this time.
func takes(d time.Duration) func(context.Context, *dispatch.Request) dispatch.Outcome {
	return func(ctx context.Context, _ *dispatch.Request) dispatch.Outcome {
		select {
		case <-time.After(d):
			return status(200)
		case <-ctx.Done():
			return timedOut(ctx)
		}
	}
}

func timedOut(ctx context.Context) dispatch.Outcome {
	return dispatch.Outcome{Verdict: dispatch.Retry, Reason: "timeout", Err: ctx.Err()}
}

// hangs is an endpoint that never answers.
func hangs(ctx context.Context, _ *dispatch.Request) dispatch.Outcome {
	<-ctx.Done()
	return timedOut(ctx)
}

// byURL lets each URL answer in its own way; others deliver.
func byURL(answers map[string]func(context.Context, *dispatch.Request) dispatch.Outcome) func(context.Context, *dispatch.Request) dispatch.Outcome {
	return func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
		if f := answers[r.URL]; f != nil {
			return f(ctx, r)
		}
		return status(200)
	}
}

// channels counts how often the channel of each event was sent in the attempts.
func channels(t *testing.T, attempts []attempt) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, a := range attempts {
		for _, ev := range a.payload(t, testKey).Events {
			n[ev.Channel]++
		}
	}
	return n
}
