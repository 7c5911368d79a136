package flatqueue

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// flat is a flat store in memory. It is all that a new driver has to write.
type flat struct {
	groups bool // an ordered lane's messages are hidden together

	mu       sync.Mutex
	messages []*flatMessage
	letters  []queue.DeadLetter
	number   int
	changed  chan struct{}    // closed and replaced by every change
	calls    map[string]int   // by method
	fail     map[string]error // by method
	lose     map[string]bool  // messages whose handles are lost, by job
	handles  map[string]*flatMessage
	slow     time.Duration // until Hide answers
	latency  time.Duration // until Receive looks
}

type flatMessage struct {
	Message
	visible time.Time
}

func newFlat() *flat {
	return &flat{changed: make(chan struct{}), calls: make(map[string]int), fail: make(map[string]error), lose: make(map[string]bool), handles: make(map[string]*flatMessage)}
}

// begin locks the store and counts a call.
func (f *flat) begin(method string) error {
	f.mu.Lock()
	f.calls[method]++
	return f.fail[method]
}

// change wakes those that wait for messages.
func (f *flat) change() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *flat) Send(_ context.Context, jobs []Job) ([]error, error) {
	err := f.begin("Send")
	defer f.mu.Unlock()
	errs := make([]error, len(jobs))
	for i, job := range jobs {
		if errs[i] = err; err == nil {
			f.number++
			f.messages = append(f.messages, &flatMessage{Message: Message{Job: job, MessageID: strconv.Itoa(f.number), Sent: time.Now()}})
		}
	}
	f.change()
	return errs, err
}

func (f *flat) Receive(ctx context.Context, n int) ([]Message, error) {
	time.Sleep(f.latency)
	end := time.Now().Add(testOptions.Wait)
	err := f.begin("Receive")
	defer f.mu.Unlock()
	for err == nil {
		got := f.take(n)
		if len(got) > 0 || !time.Now().Before(end) {
			return got, nil
		}
		next, changed := f.next(end), f.changed
		f.mu.Unlock()
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-changed:
		case <-time.After(time.Until(next)):
		}
		f.mu.Lock()
	}
	return nil, err
}

func (f *flat) take(n int) (got []Message) {
	now := time.Now()
	hidden := make(map[string]bool)
	for _, m := range f.messages {
		if f.groups && m.Ordered && m.visible.After(now) {
			hidden[m.Lane] = true
		}
	}
	for _, m := range f.messages {
		if len(got) == n {
			break
		}
		if m.visible.After(now) || f.groups && hidden[m.Lane] {
			continue
		}
		f.number++
		m.Receives++
		delete(f.handles, m.Handle)
		m.Handle, m.visible = strconv.Itoa(f.number), now.Add(testOptions.Lease)
		f.handles[m.Handle] = m
		if m.FirstReceived.IsZero() {
			m.FirstReceived = now
		}
		got = append(got, m.Message)
	}
	return got
}

func (f *flat) next(end time.Time) time.Time {
	now := time.Now()
	for _, m := range f.messages {
		if m.visible.After(now) && m.visible.Before(end) {
			end = m.visible
		}
	}
	return end
}

func (f *flat) Hide(_ context.Context, changes []Change) []error {
	err := f.begin("Hide")
	errs := make([]error, len(changes))
	for i, c := range changes {
		switch m := f.byHandle(c.Handle); {
		case err != nil:
			errs[i] = err
		case m == nil || !m.visible.After(time.Now()):
			errs[i] = queue.ErrLeaseLost
		default:
			m.visible = time.Now().Add(c.After)
		}
	}
	f.change()
	slow := f.slow
	f.mu.Unlock()
	time.Sleep(slow)
	return errs
}

func (f *flat) Delete(_ context.Context, handles []string) []error {
	err := f.begin("Delete")
	defer f.mu.Unlock()
	errs := make([]error, len(handles))
	for i, handle := range handles {
		m := f.byHandle(handle)
		if errs[i] = err; err == nil && m == nil {
			errs[i] = queue.ErrLeaseLost
		} else if err == nil {
			f.messages = slices.DeleteFunc(f.messages, func(other *flatMessage) bool { return other == m })
			delete(f.handles, handle)
		}
	}
	f.change()
	return errs
}

func (f *flat) Bury(_ context.Context, letter queue.DeadLetter) error {
	err := f.begin("Bury")
	defer f.mu.Unlock()
	if err == nil {
		f.letters = append(f.letters, letter)
	}
	return err
}

func (f *flat) Count(context.Context) (c Counts, err error) {
	err = f.begin("Count")
	defer f.mu.Unlock()
	for _, m := range f.messages {
		if m.visible.After(time.Now()) {
			c.Hidden++
		} else {
			c.Visible++
		}
	}
	c.Dead = len(f.letters)
	return c, err
}

func (f *flat) byHandle(handle string) *flatMessage {
	if m := f.handles[handle]; m != nil && !f.lose[m.ID] {
		return m
	}
	return nil
}

// called returns how many calls of a method there were.
func (f *flat) called(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}

// setFail changes what fails.
func (f *flat) setFail(method string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail[method] = err
}

// setLose changes whether a job's handle is lost.
func (f *flat) setLose(id string, lost bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lose[id] = lost
}

// jobs lists the jobs in the store.
func (f *flat) jobs() (ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		ids = append(ids, m.ID)
	}
	return ids
}

var testOptions = Options{
	Lease: 30 * time.Second, MaxHidden: 12 * time.Hour, Wait: 5 * time.Second,
	Pollers: 2, Batch: 10, ParkedJobs: 1000, ParkedBytes: 64 << 20,
}

// open opens a queue on f, which is closed in the end.
func open(t *testing.T, f *flat, set func(*Options)) *Queue {
	t.Helper()
	opts := testOptions
	opts.Groups = f.groups
	if set != nil {
		set(&opts)
	}
	q := New(f, opts)
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return q
}

func all(n int) queue.Want { return queue.Want{Max: n, MaxPerLane: n, MaxUntried: n, MaxFailing: n} }

// skipping wants n jobs of any lane but these.
func skipping(n int, lanes ...string) queue.Want {
	w := all(n)
	w.Lanes = make(map[string]int)
	for _, lane := range lanes {
		w.Lanes[lane] = 0
	}
	return w
}

func numbered(lane string, n int) []queue.Job {
	jobs := make([]queue.Job, n)
	for i := range jobs {
		jobs[i] = queue.Job{ID: fmt.Sprint(lane, "-", i), Lane: lane, Data: []byte("data")}
	}
	return jobs
}

func enqueue(t *testing.T, q *Queue, jobs ...queue.Job) {
	t.Helper()
	if err := q.Enqueue(t.Context(), jobs); err != nil {
		t.Fatal("Enqueue:", err)
	}
}

// receive waits at most d.
func receive(t *testing.T, q *Queue, w queue.Want, d time.Duration) []queue.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	leases, err := q.Receive(ctx, w)
	if err != nil && ctx.Err() == nil {
		t.Fatal("Receive:", err)
	}
	return leases
}

// receiveOne receives one job.
func receiveOne(t *testing.T, q *Queue) queue.Lease {
	t.Helper()
	leases := receive(t, q, all(1), time.Hour)
	if len(leases) != 1 {
		t.Fatalf("received %v; want one job", leases)
	}
	return leases[0]
}

func none(t *testing.T, q *Queue, d time.Duration) {
	t.Helper()
	if leases := receive(t, q, all(10), d); len(leases) > 0 {
		t.Fatalf("received %v; want nothing", leases)
	}
}

func ack(t *testing.T, q *Queue, leases ...queue.Lease) {
	t.Helper()
	if err := q.Ack(t.Context(), leases); err != nil {
		t.Fatal("Ack:", err)
	}
}

func nack(t *testing.T, q *Queue, l queue.Lease, delay time.Duration, counted bool) {
	t.Helper()
	if err := q.Nack(t.Context(), []queue.Nack{{Lease: l, Delay: delay, Counted: counted}}); err != nil {
		t.Fatal("Nack:", err)
	}
}

// hold marks the lane of a lease as failing, and holds it.
func hold(t *testing.T, q *Queue, since queue.Lease, d time.Duration) {
	t.Helper()
	u := queue.LaneUpdate{Lane: since.Lane, Health: queue.Failing, Hold: d, Since: since, Reason: "down"}
	if err := q.SetLane(t.Context(), u); err != nil {
		t.Fatal("SetLane:", err)
	}
}

// parked counts the jobs that are here without a lease.
func parked(q *Queue) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.byID {
		if m.isParked() {
			n++
		}
	}
	return n
}
