package queuetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/subprocess"
	"github.com/pushhooks/webhook/queue"
)

// brokenDrivers are drivers that keep every rule but one.
var brokenDrivers = []struct {
	rule   string // that is broken and quoted
	checks string // that find it
	open   func(m *queue.Memory) queue.Queue
}{
	{"E1", "E1", func(m *queue.Memory) queue.Queue { return dropsJobs{m} }},
	{"E2", "E2", func(m *queue.Memory) queue.Queue { return forgetsIDs{m, &sync.Map{}} }},
	{"E3", "E3", func(m *queue.Memory) queue.Queue { return hidesErrors{m} }},
	{"E4", "E4", func(m *queue.Memory) queue.Queue { return reverses{m} }},
	{"E5", "E5", func(m *queue.Memory) queue.Queue { return hidesErrors{m} }},
	{"R1", "R1", func(m *queue.Memory) queue.Queue { return oneByOne{m} }},
	{"R2", "R2", func(m *queue.Memory) queue.Queue { return losesLimits{m} }},
	{"R3", "R3", func(m *queue.Memory) queue.Queue { return favours{m} }},
	{"R4", "R4", func(m *queue.Memory) queue.Queue { return leavesLeases{m} }},
	{"R5", "R5", func(m *queue.Memory) queue.Queue { return ordersNothing{m, &sync.Map{}} }},
	{"R6", "R6", func(m *queue.Memory) queue.Queue { return polls{m} }},
	{"L1", "L1", func(m *queue.Memory) queue.Queue { return endsLeasesEarly{m} }},
	{"L2", "L2", func(m *queue.Memory) queue.Queue { return ignoresReceipts{m, &sync.Map{}} }},
	{"L3", "L3", func(m *queue.Memory) queue.Queue { return countsNothing{m} }},
	{"A1", "A1", func(m *queue.Memory) queue.Queue { return ignoresAcks{m} }},
	{"N1", "N1", func(m *queue.Memory) queue.Queue { return shortensDelays{m} }},
	{"N2", "N2", func(m *queue.Memory) queue.Queue { return uncounts{m} }},
	{"N3", "N3", func(m *queue.Memory) queue.Queue { return countsReleases{m} }},
	{"P1", "P1", func(m *queue.Memory) queue.Queue { return replacesAtTheEnd{m} }},
	{"P2", "P2", func(m *queue.Memory) queue.Queue { return forgetsFirstOfParts{m} }},
	{"D1", "D1", func(m *queue.Memory) queue.Queue { return losesLetters{m} }},
	{"D2", "D2", func(m *queue.Memory) queue.Queue { return m }}, // OpenDead does not bound it
	{"D3", "D3", func(m *queue.Memory) queue.Queue { return replaysUnderAnotherID{m} }},
	{"D4", "D4", func(m *queue.Memory) queue.Queue { return countsWhatIsNotThere{m} }},
	{"C1", "C1", func(m *queue.Memory) queue.Queue { return staysOpen{m} }},
	{"R2", "Load", func(m *queue.Memory) queue.Queue { return losesLimits{m} }},
	{"E4", "Load", func(m *queue.Memory) queue.Queue { return reverses{m} }},
	{"R5", "Load", func(m *queue.Memory) queue.Queue { return ordersNothing{m, &sync.Map{}} }},
	{"N1", "N1", func(m *queue.Memory) queue.Queue { return overflows{m} }},
	{"N1", "N1", func(m *queue.Memory) queue.Queue { return keepsAnyDelay{m} }},
	{"N2", "Load", func(m *queue.Memory) queue.Queue { return uncounts{m} }},
	{"L1", "Load", func(m *queue.Memory) queue.Queue { return doubles{m} }},
	{"H1", "H1", func(m *queue.Memory) queue.Queue { return staysUntried{m} }},
	{"H1", "H1", func(m *queue.Memory) queue.Queue { return opensOnAnyAck{m} }},
	{"H1", "H1", func(m *queue.Memory) queue.Queue { return tellsHealthAfterwards{m} }},
	{"H2", "H2", func(m *queue.Memory) queue.Queue { return ignoresHolds{m} }},
	{"H2", "H2", func(m *queue.Memory) queue.Queue { return givesTwoProbes{m} }},
	{"H2", "H2", func(m *queue.Memory) queue.Queue { return punishesReleases{m} }},
	{"H2", "H2", func(m *queue.Memory) queue.Queue { return countsFromTheLease{m} }},
	{"H3", "H3", func(m *queue.Memory) queue.Queue { return ignoresSince{m} }},
	{"H3", "H3", func(m *queue.Memory) queue.Queue { return countsNoHolds{m} }},
	{"H3", "H3", func(m *queue.Memory) queue.Queue { return refusesLateFailures{m} }},
	{"H4", "H4", func(m *queue.Memory) queue.Queue { return ignoresSince{m} }},
	{"H4", "H4", func(m *queue.Memory) queue.Queue { return hidesRefusals{m} }},
	{"H5", "H5", func(m *queue.Memory) queue.Queue { return servesHealthyFirst{m} }},
	{"R2", "H5", func(m *queue.Memory) queue.Queue { return losesFailingLimit{m} }},
	{"H6", "H6", func(m *queue.Memory) queue.Queue { return forgetsEmptyLanes{m} }},
	{"H7", "H7", func(m *queue.Memory) queue.Queue { return neverFails{m} }},
	{"H7", "H7", func(m *queue.Memory) queue.Queue { return namesNoReason{m} }},
	{"H8", "H8", func(m *queue.Memory) queue.Queue { return requeues{m} }},
	{"R6", "R6", func(m *queue.Memory) queue.Queue { return opensLate{m} }},
	{"H3", "Load", func(m *queue.Memory) queue.Queue { return countsNoHolds{m} }},
	{"H2", "Load", func(m *queue.Memory) queue.Queue { return ignoresHolds{m} }},
	{"H2", "Load", func(m *queue.Memory) queue.Queue { return givesTwoProbes{m} }},
	{"H4", "Load", func(m *queue.Memory) queue.Queue { return hidesRefusals{m} }},
	{"LaneLister", "LaneLister", func(m *queue.Memory) queue.Queue { return listsBackwards{m} }},
	{"LaneLister", "LaneLister", func(m *queue.Memory) queue.Queue { return dawdles{m} }},
	{"LaneUpdate", "LaneUpdate", func(m *queue.Memory) queue.Queue { return takesAnyUpdate{m} }},
	{"Age", "Age", func(m *queue.Memory) queue.Queue { return hasNoAge{m} }},
	{"Stats", "Stats", func(m *queue.Memory) queue.Queue { return miscounts{m} }},
	{"Stats", "Stats", func(m *queue.Memory) queue.Queue { return holdsNothing{m} }},
	{"LaneLister", "LaneLister", func(m *queue.Memory) queue.Queue { return listsNoDeadLanes{m} }},
}

// brokenDriver is set in a child process that runs the suite on the broken driver with this number.
const brokenDriver = "QUEUETEST_BROKEN_DRIVER"

// TestBrokenDriversAreCaught runs checks on drivers that they must catch, in processes of their
// own, because they are to fail.
func TestBrokenDriversAreCaught(t *testing.T) {
	if n, err := strconv.Atoi(os.Getenv(brokenDriver)); err == nil {
		runBroken(t, brokenDrivers[n].open)
		return
	}
	t.Parallel()
	for n, broken := range brokenDrivers {
		t.Run(fmt.Sprintf("%T breaks %s", broken.open(nil), broken.rule), func(t *testing.T) {
			t.Parallel()
			output := failingRun(t, n, broken.checks)
			if !strings.Contains(output, quote(broken.rule)) {
				t.Errorf("the failure does not quote rule %s:\n%s", broken.rule, output)
			}
		})
	}
}

// runBroken runs the suite in virtual time.
func runBroken(t *testing.T, broken func(m *queue.Memory) queue.Queue) {
	open := func(t *testing.T, o queue.MemoryOptions) queue.Queue {
		m, err := queue.NewMemory(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		return broken(m)
	}
	Run(t, Harness{
		Virtual:     true,
		Open:        func(t *testing.T) queue.Queue { return open(t, queue.MemoryOptions{}) },
		OpenDead:    func(t *testing.T, _ int) queue.Queue { return open(t, queue.MemoryOptions{}) },
		OpenBounded: func(t *testing.T, n int) queue.Queue { return open(t, queue.MemoryOptions{MaxJobs: n}) },
	})
}

// failingRun returns the output of a group of checks, which must fail.
func failingRun(t *testing.T, driver int, checks string) string {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBrokenDriversAreCaught$/^"+checks+"$")
	child.Env = append(os.Environ(), brokenDriver+"="+strconv.Itoa(driver))
	subprocess.EndWithParent(child)
	output, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("the checks passed: %v\n%s", err, output)
	}
	return string(output)
}

type dropsJobs struct{ *queue.Memory }

func (q dropsJobs) Enqueue(ctx context.Context, jobs []queue.Job) error {
	return q.Memory.Enqueue(ctx, jobs[min(1, len(jobs)):])
}

// forgetsIDs gives every job an ID of its own.
type forgetsIDs struct {
	*queue.Memory
	names *sync.Map
}

func (q forgetsIDs) Enqueue(ctx context.Context, jobs []queue.Job) error {
	jobs = slices.Clone(jobs)
	for i := range jobs {
		id := jobs[i].ID
		for _, taken := q.names.LoadOrStore(jobs[i].ID, id); taken; _, taken = q.names.LoadOrStore(jobs[i].ID, id) {
			jobs[i].ID += "x"
		}
	}
	return q.Memory.Enqueue(ctx, jobs)
}

type hidesErrors struct{ *queue.Memory }

func (q hidesErrors) Enqueue(ctx context.Context, jobs []queue.Job) error {
	_ = q.Memory.Enqueue(ctx, jobs)
	return nil
}

type reverses struct{ *queue.Memory }

func (q reverses) Enqueue(ctx context.Context, jobs []queue.Job) error {
	jobs = slices.Clone(jobs)
	slices.Reverse(jobs)
	return q.Memory.Enqueue(ctx, jobs)
}

type oneByOne struct{ *queue.Memory }

func (q oneByOne) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	w.Max = 1
	return q.Memory.Receive(ctx, w)
}

type losesLimits struct{ *queue.Memory }

func (q losesLimits) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	return q.Memory.Receive(ctx, all(w.Max))
}

// favours gives the lane with a backlog whenever it has a job.
type favours struct{ *queue.Memory }

func (q favours) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	soon, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	backlog := all(w.Max)
	backlog.Lanes = limits{"b": 0, "c": 0}
	if leases, err := q.Memory.Receive(soon, backlog); err == nil {
		return leases, nil
	}
	return q.Memory.Receive(ctx, w)
}

// leavesLeases leases also for a caller that has gone.
type leavesLeases struct{ *queue.Memory }

func (q leavesLeases) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	leases, err := q.Memory.Receive(late, w)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return leases, err
}

// ordersNothing hides from the queue that lanes are ordered.
type ordersNothing struct {
	*queue.Memory
	ordered *sync.Map
}

func (q ordersNothing) Enqueue(ctx context.Context, jobs []queue.Job) error {
	jobs = slices.Clone(jobs)
	for i := range jobs {
		q.ordered.Store(jobs[i].ID, jobs[i].Ordered)
		jobs[i].Ordered = false
	}
	return q.Memory.Enqueue(ctx, jobs)
}

func (q ordersNothing) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	leases, err := q.Memory.Receive(ctx, w)
	for i := range leases {
		ordered, _ := q.ordered.Load(leases[i].ID)
		leases[i].Ordered = ordered == true
	}
	return leases, err
}

// polls looks for jobs every five seconds.
type polls struct{ *queue.Memory }

func (q polls) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	for {
		soon, cancel := context.WithTimeout(ctx, time.Millisecond)
		leases, err := q.Memory.Receive(soon, w)
		cancel()
		if err == nil {
			return leases, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(5 * time.Second):
		}
	}
}

type endsLeasesEarly struct{ *queue.Memory }

func (q endsLeasesEarly) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	leases, err := q.Memory.Receive(ctx, w)
	for _, l := range leases {
		time.AfterFunc(q.Traits().Lease/2, func() { _ = q.Memory.Release(ctx, []queue.Lease{l}) })
	}
	return leases, err
}

// ignoresReceipts settles whatever lease is current.
type ignoresReceipts struct {
	*queue.Memory
	current *sync.Map
}

func (q ignoresReceipts) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	leases, err := q.Memory.Receive(ctx, w)
	for _, l := range leases {
		q.current.Store(l.ID, l)
	}
	return leases, err
}

func (q ignoresReceipts) Ack(ctx context.Context, leases []queue.Lease) error {
	leases = slices.Clone(leases)
	for i := range leases {
		if l, ok := q.current.Load(leases[i].ID); ok {
			leases[i] = l.(queue.Lease)
		}
	}
	return q.Memory.Ack(ctx, leases)
}

type doubles struct{ *queue.Memory }

func (q doubles) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	leases, err := q.Memory.Receive(ctx, w)
	return append(leases, leases...), err
}

type countsNothing struct{ *queue.Memory }

func (q countsNothing) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	leases, err := q.Memory.Receive(ctx, w)
	for i := range leases {
		leases[i].Attempts = 0
	}
	return leases, err
}

type ignoresAcks struct{ *queue.Memory }

func (ignoresAcks) Ack(context.Context, []queue.Lease) error { return nil }

type shortensDelays struct{ *queue.Memory }

func (q shortensDelays) Nack(ctx context.Context, nacks []queue.Nack) error {
	nacks = slices.Clone(nacks)
	for i := range nacks {
		nacks[i].Delay /= 2
	}
	return q.Memory.Nack(ctx, nacks)
}

// overflows has the longest delays end at once.
type overflows struct{ *queue.Memory }

func (q overflows) Nack(ctx context.Context, nacks []queue.Nack) error {
	nacks = slices.Clone(nacks)
	for i := range nacks {
		if nacks[i].Delay > 365*24*time.Hour {
			nacks[i].Delay = 0
		}
	}
	return q.Memory.Nack(ctx, nacks)
}

// keepsAnyDelay keeps the longest delays for centuries.
type keepsAnyDelay struct{ *queue.Memory }

func (q keepsAnyDelay) Nack(ctx context.Context, nacks []queue.Nack) error {
	for _, n := range nacks {
		if n.Delay > 365*24*time.Hour {
			return q.Memory.Ack(ctx, []queue.Lease{n.Lease})
		}
	}
	return q.Memory.Nack(ctx, nacks)
}

type uncounts struct{ *queue.Memory }

func (q uncounts) Nack(ctx context.Context, nacks []queue.Nack) error {
	nacks = slices.Clone(nacks)
	for i := range nacks {
		nacks[i].Counted = false
	}
	return q.Memory.Nack(ctx, nacks)
}

type countsReleases struct{ *queue.Memory }

func (q countsReleases) Release(ctx context.Context, leases []queue.Lease) error {
	nacks := make([]queue.Nack, len(leases))
	for i, l := range leases {
		nacks[i] = queue.Nack{Lease: l, Counted: true}
	}
	return q.Memory.Nack(ctx, nacks)
}

type replacesAtTheEnd struct{ *queue.Memory }

func (q replacesAtTheEnd) Replace(ctx context.Context, l queue.Lease, jobs []queue.Job) error {
	if err := q.Memory.Enqueue(ctx, jobs); err != nil {
		return err
	}
	return q.Memory.Ack(ctx, []queue.Lease{l})
}

// forgetsFirstOfParts puts new jobs in the place of the replaced one.
type forgetsFirstOfParts struct{ *queue.Memory }

func (q forgetsFirstOfParts) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	leases, err := q.Memory.Receive(ctx, w)
	for i := range leases {
		if leases[i].Attempts == 0 {
			leases[i].First = time.Time{}
		}
	}
	return leases, err
}

type losesLetters struct{ *queue.Memory }

func (q losesLetters) DeadLetter(ctx context.Context, l queue.Lease, _ string) error {
	return q.Memory.Ack(ctx, []queue.Lease{l})
}

type replaysUnderAnotherID struct{ *queue.Memory }

func (q replaysUnderAnotherID) Replay(ctx context.Context, letters []queue.Replayed) (int, error) {
	letters = slices.Clone(letters)
	for i := range letters {
		letters[i].Job.ID += "-again"
	}
	return q.Memory.Replay(ctx, letters)
}

type countsWhatIsNotThere struct{ *queue.Memory }

func (q countsWhatIsNotThere) Discard(ctx context.Context, ids []string) (int, error) {
	_, err := q.Memory.Discard(ctx, ids)
	return len(ids), err
}

type staysOpen struct{ *queue.Memory }

func (staysOpen) Close() error { return nil }

type miscounts struct{ *queue.Memory }

func (q miscounts) Stats(ctx context.Context) (queue.Stats, error) {
	s, err := q.Memory.Stats(ctx)
	s.Leased++
	return s, err
}

// holdsNothing counts the jobs of held lanes as others.
type holdsNothing struct{ *queue.Memory }

func (q holdsNothing) Stats(ctx context.Context) (queue.Stats, error) {
	s, err := q.Memory.Stats(ctx)
	s.Held = 0
	return s, err
}

// listsNoDeadLanes leaves out the lanes that have nothing but dead letters.
type listsNoDeadLanes struct{ *queue.Memory }

func (q listsNoDeadLanes) Lanes(ctx context.Context, after string, limit int) ([]queue.LaneInfo, error) {
	infos, err := q.Memory.Lanes(ctx, after, limit)
	return slices.DeleteFunc(infos, func(l queue.LaneInfo) bool {
		return l.Dead > 0 && l.Health == queue.Untried && l.Ready+l.Delayed+l.Leased == 0
	}), err
}
