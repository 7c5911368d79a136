package redisqueue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

func TestLaneStateOutlivesARestart(t *testing.T) {
	t.Parallel()
	alone(t)
	server := testredis.StartServer(t, testredis.Options{AppendOnly: true})
	client := server.Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{})
	jobs := makeJobs("j", 4, 2)
	mustEnqueue(t, q, jobs...)
	leases := mustReceive(t, q, want(2), 2)
	if err := q.Ack(t.Context(), leases[:1]); err != nil {
		t.Fatal(err)
	}
	if err := q.SetLane(t.Context(), hold(leases[1].Lane, time.Minute, leases[1])); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	server.Start()
	if err := persist(t.Context(), func() error { return client.Ping(t.Context()).Err() }); err != nil {
		t.Fatal(err)
	}
	again := open(t, client, redisqueue.Options{})
	if i := info(t, again, leases[0].Lane); i.Health != queue.Healthy {
		t.Errorf("the lane that had succeeded is %v; want healthy", i.Health)
	}
	held := info(t, again, leases[1].Lane)
	if held.Health != queue.Failing || held.Holds != 1 || held.Reason != "status 500" || time.Until(held.HeldUntil) < 30*time.Second {
		t.Errorf("the lane that was held: %+v", held)
	}
	if got := mustReceive(t, again, want(4), 1); got[0].Lane != leases[0].Lane || got[0].Health != queue.Healthy {
		t.Errorf("received %+v; want the other job of the healthy lane", got[0])
	}
}

// A lane that nobody receives leaves room for others (the dynamic threshold).
func TestOneLaneDoesNotFillThePartition(t *testing.T) {
	t.Parallel()
	a, _ := two(t, redisqueue.Options{MaxJobs: 170})
	taken := 0
	for taken < 170 && a.Enqueue(t.Context(), makeJobs(fmt.Sprint("full", taken), 1, 1)) == nil {
		taken++
	}
	if taken != 160 {
		t.Errorf("a lone lane got %d of 170 jobs; want 160, 16 times the room that is left", taken)
	}
	err := a.Enqueue(t.Context(), makeJobs("more", 1, 1))
	if !errors.Is(err, queue.ErrFull) || errors.Is(err, queue.ErrLaneFailing) {
		t.Errorf("one more returned %v; want ErrFull", err)
	}
	if err := a.Enqueue(t.Context(), []queue.Job{{ID: "other", Lane: "other"}}); err != nil {
		t.Errorf("another lane's job: %v", err)
	}
}

// The same by bytes.
func TestOneLaneDoesNotFillThePartitionWithBytes(t *testing.T) {
	t.Parallel()
	a, _ := two(t, redisqueue.Options{MaxBytes: 17_000})
	taken := 0
	for taken < 170 {
		jobs := makeJobs(fmt.Sprint("full", taken), 1, 1)
		jobs[0].Data = []byte(strings.Repeat("x", 100))
		if a.Enqueue(t.Context(), jobs) != nil {
			break
		}
		taken++
	}
	if taken != 160 {
		t.Errorf("a lone lane got %d of 170 jobs; want 160", taken)
	}
}

// Failing lanes share half of the partition (H7), and get their room back when one of them
// succeeds.
func TestFailingLanesShareHalf(t *testing.T) {
	t.Parallel()
	a, b := two(t, redisqueue.Options{MaxJobs: 100})
	for i := range 4 {
		if err := b.SetLane(t.Context(), queue.LaneUpdate{Lane: fmt.Sprint("lane-", i), Health: queue.Failing}); err != nil {
			t.Fatal(err)
		}
	}
	err := a.Enqueue(t.Context(), makeJobs("j", 60, 4))
	refused := 0
	for i := range 60 {
		if err := queue.ErrorOf(err, i); err != nil {
			refused++
			if !errors.Is(err, queue.ErrLaneFailing) {
				t.Fatalf("job %d was refused with %v; want ErrLaneFailing", i, err)
			}
		}
	}
	if refused != 10 {
		t.Errorf("%d of 60 jobs of failing lanes were refused; want 10", refused)
	}
	healthy := makeJobs("ok", 20, 1)
	for i := range healthy {
		healthy[i].Lane = "healthy"
	}
	mustEnqueue(t, a, healthy...)

	one := mustReceive(t, a, queue.Want{Max: 1, MaxPerLane: 1, MaxFailing: 1}, 1)
	if err := a.Ack(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	// A lane of 13 jobs is not failing any more.
	more := makeJobs("more", 4, 4)
	if err := a.Enqueue(t.Context(), more); err != nil {
		t.Errorf("after an Ack: %v", err)
	}
}

// A user who may not publish any more loses no job: waiting receivers look by themselves.
func TestNothingIsLostWithoutPermissionToPublish(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{})
	admin := server.Client()
	defer admin.Close()
	client := restricted(t, admin)
	nodes := []*redisqueue.Queue{open(t, client, redisqueue.Options{}), open(t, client, redisqueue.Options{})}
	restricted(t, admin, "-publish")
	var in inbox
	for _, q := range nodes {
		start(t, func(ctx context.Context) { in.consume(ctx, q) })
	}
	<-time.After(100 * time.Millisecond) // they wait
	for i := range 20 {
		mustEnqueue(t, nodes[i%2], makeJobs(fmt.Sprint("j", i), 1, 3)...)
	}
	waitUntil(t, 5*time.Second, "all jobs are delivered", func() bool { return in.count() == 20 })
	if s, err := nodes[0].Stats(t.Context()); err != nil || s.Ready+s.Leased+s.Delayed != 0 {
		t.Errorf("the queue holds %+v, %v; want nothing", s, err)
	}
}

// A Receive that finds jobs is one command, and so are an Enqueue and an Ack.
func TestCallsAreOneRoundTripEach(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	hook := &countingHook{}
	q := open(t, client, redisqueue.Options{})
	move := func(i int) {
		mustEnqueue(t, q, makeJobs(fmt.Sprint("j", i), 10, 3)...)
		leases := mustReceive(t, q, want(10), 10)
		if len(leases[0].Data) == 0 {
			t.Error("a job came without its data")
		}
		if err := q.Ack(t.Context(), leases); err != nil {
			t.Fatal(err)
		}
	}
	move(0) // loads the scripts, and learns Redis's clock
	client.AddHook(hook)
	const rounds = 20
	for i := range rounds {
		move(i + 1)
	}
	if n := hook.commands(); n != 3*rounds {
		t.Errorf("%d commands in %d round trips for %d rounds of Enqueue, Receive and Ack; want one each", n, hook.trips.Load(), rounds)
	}
}

// A Redis whose memory is full still gives jobs, renews leases, counts, and changes lanes.
func TestFullRedisKeepsLaneState(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{})
	mustEnqueue(t, q, makeJobs("j", 20, 4)...)
	leases := mustReceive(t, q, want(4), 4)
	if err := client.ConfigSet(t.Context(), "maxmemory", "1mb").Err(); err != nil {
		t.Fatal(err)
	}
	if err := q.Enqueue(t.Context(), makeJobs("more", 1, 1)); !errors.Is(err, queue.ErrFull) {
		t.Errorf("Enqueue: %v; want ErrFull", err)
	}
	check := func(call string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s in a full Redis: %v", call, err)
		}
	}
	check("Extend", q.Extend(t.Context(), leases))
	check("SetLane", q.SetLane(t.Context(), hold(leases[0].Lane, time.Minute, leases[0])))
	check("Nack", q.Nack(t.Context(), []queue.Nack{{Lease: leases[0], Delay: time.Second, Counted: true}}))
	check("Release", q.Release(t.Context(), leases[1:2]))
	check("DeadLetter", q.DeadLetter(t.Context(), leases[2], "gone"))
	check("Ack", q.Ack(t.Context(), leases[3:]))
	_, err := q.Stats(t.Context())
	check("Stats", err)
	_, err = q.Lanes(t.Context(), "", 10)
	check("Lanes", err)
	mustReceive(t, q, want(20), 13) // without the held lane
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	if leases, err := q.Receive(ctx, queue.Want{Max: 1, MaxPerLane: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a Receive that finds nothing returned %d jobs, %v", len(leases), err)
	}
}

// MaxDeadBytes evicts the oldest dead letters.
func TestDeadLettersAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 3} {
		client := testredis.StartServer(t, testredis.Options{}).Client()
		defer client.Close()
		q := open(t, client, redisqueue.Options{MaxDeadBytes: 10_000, Partitions: partitions})
		jobs := makeJobs("j", 20, 20)
		for i := range jobs {
			jobs[i].Data = []byte(strings.Repeat("x", 900))
			mustEnqueue(t, q, jobs[i])
			if err := q.DeadLetter(t.Context(), mustReceive(t, q, want(1), 1)[0], "gone"); err != nil {
				t.Fatal(err)
			}
		}
		letters, err := q.DeadLetters(t.Context(), "", 100)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(letters); n != 10 {
			t.Errorf("%d partitions: %d dead letters of about 1,000 bytes are left; want 10", partitions, n)
		} else if letters[0].ID != jobs[10].ID || letters[9].ID != jobs[19].ID {
			t.Errorf("%d partitions: %q to %q are left; want the youngest", partitions, letters[0].ID, letters[9].ID)
		}
		if s, err := q.Stats(t.Context()); err != nil || s.DeadDropped != 10 {
			t.Errorf("%d partitions: DeadDropped is %d, %v; want 10", partitions, s.DeadDropped, err)
		}
	}
}
