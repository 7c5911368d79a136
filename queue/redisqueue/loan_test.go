package redisqueue

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
)

// lending is a queue with a healthy lane "a" and a Receive that waits.
type lending struct {
	*Queue
	client *redis.Client // to the server itself
	got    chan []queue.Lease
}

// lend opens a queue, through addr if that is not empty.
func lend(t *testing.T, server *testredis.Server, addr string) *lending {
	t.Helper()
	client := server.Client()
	through := client
	if addr != "" {
		through = redis.NewClient(&redis.Options{Addr: addr})
		t.Cleanup(func() { _ = through.Close() })
	}
	q, err := New(t.Context(), through, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = q.Close(), client.Close() })
	l := &lending{q, client, make(chan []queue.Lease, 1)}
	l.enqueue(t, queue.Job{ID: "first", Lane: "a", Data: []byte("x")})
	l.wait(t, lendWant())
	if err := q.Ack(t.Context(), l.receive(t, "first")); err != nil {
		t.Fatal(err)
	}
	return l
}

func lendWant() queue.Want { return queue.Want{Max: 5, MaxPerLane: 2, MaxUntried: 5, MaxFailing: 5} }

func (l *lending) enqueue(t *testing.T, jobs ...queue.Job) {
	t.Helper()
	if err := l.Enqueue(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
}

// wait starts a Receive, and returns when it waits.
func (l *lending) wait(t *testing.T, w queue.Want) {
	t.Helper()
	l.waitUntil(t.Context(), t, w)
}

func (l *lending) waitUntil(ctx context.Context, t *testing.T, w queue.Want) {
	t.Helper()
	go func() {
		leases, _ := l.Receive(ctx, w)
		l.got <- leases
	}()
	for deadline := time.Now().Add(30 * time.Second); len(l.got) == 0; time.Sleep(time.Millisecond) {
		l.loans.mu.Lock()
		n := len(l.loans.offered)
		l.loans.mu.Unlock()
		if n > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the Receive does not wait")
		}
	}
}

// receive returns what the Receive has got, which must be these jobs.
func (l *lending) receive(t *testing.T, ids ...string) []queue.Lease {
	t.Helper()
	select {
	case leases := <-l.got:
		var got []string
		for i := range leases {
			got = append(got, leases[i].ID)
		}
		if strings.Join(got, " ") != strings.Join(ids, " ") {
			t.Fatalf("received %q; want %q", got, ids)
		}
		return leases
	case <-time.After(30 * time.Second):
		t.Fatalf("%q were not received", ids)
		return nil
	}
}

// scripts returns how many scripts do runs, besides the looks of a Receive that waits.
func (l *lending) scripts(t *testing.T, do func()) int {
	t.Helper()
	if err := l.client.ConfigResetStat(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	do()
	info, err := l.client.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(info, "cmdstat_evalsha:calls=")
	n, _, _ := strings.Cut(rest, ",")
	return number(n)
}

// A job for a Receive of the same process that waits takes one script, whatever its size, and its lease
// is like any other.
func TestEnqueueLeasesForAReceiveThatWaits(t *testing.T) {
	t.Parallel()
	l := lend(t, testredis.StartServer(t, testredis.Options{}), "")
	for _, size := range []int{0, 1, inlineBytes + 1, 50_000} {
		job := queue.Job{ID: "j" + sizeText(size), Lane: "a", Data: bytes.Repeat([]byte("x"), size)}
		least := 100
		for try := range 20 { // a Receive looks by itself now and then
			job.ID += string(rune('a' + try))
			l.wait(t, lendWant())
			var leases []queue.Lease
			least = min(least, l.scripts(t, func() {
				l.enqueue(t, job)
				leases = l.receive(t, job.ID)
			}))
			lease := leases[0]
			if !bytes.Equal(lease.Data, job.Data) || lease.Lane != "a" || lease.Health != queue.Healthy || lease.Attempts != 0 {
				t.Fatalf("%d bytes: received %+v", size, lease)
			}
			if info, _ := l.Lanes(t.Context(), "", 1); len(info) != 1 || info[0].Leased != 1 || info[0].Ready != 0 {
				t.Fatalf("%d bytes: the lane is %+v", size, info)
			}
			if err := l.Extend(t.Context(), leases); err != nil {
				t.Fatal(err)
			}
			if err := l.Nack(t.Context(), []queue.Nack{{Lease: lease, Counted: true}}); err != nil {
				t.Fatal(err)
			}
			l.wait(t, lendWant())
			leases = l.receive(t, job.ID)
			if leases[0].Attempts != 1 || !bytes.Equal(leases[0].Data, job.Data) {
				t.Fatalf("%d bytes: received again as %+v", size, leases[0])
			}
			if err := l.Ack(t.Context(), leases); err != nil {
				t.Fatal(err)
			}
		}
		if least != 1 {
			t.Errorf("%d bytes: %d scripts from Enqueue to Receive; want 1", size, least)
		}
	}
}

// Nothing is leased beyond what the Receive that waits wants, or out of its turn.
func TestEnqueueLeasesWithinTheWant(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{})
	job := func(id, lane string) queue.Job { return queue.Job{ID: id, Lane: lane, Data: []byte("x")} }
	ordered := func(id string) queue.Job { return queue.Job{ID: id, Lane: "a", Ordered: true, Data: []byte("x")} }
	for name, c := range map[string]struct {
		want queue.Want
		jobs []queue.Job
		got  []string
	}{
		"a lane's limit":    {queue.Want{Max: 5, MaxPerLane: 2}, []queue.Job{job("1", "a"), job("2", "a"), job("3", "a")}, []string{"1", "2"}},
		"a named lane":      {queue.Want{Max: 5, MaxPerLane: 2, Lanes: map[string]int{"a": 1}}, []queue.Job{job("1", "a"), job("2", "a")}, []string{"1"}},
		"the whole":         {queue.Want{Max: 1, MaxPerLane: 9}, []queue.Job{job("1", "a"), job("2", "a")}, []string{"1"}},
		"ordered":           {queue.Want{Max: 5, MaxPerLane: 5}, []queue.Job{ordered("1"), ordered("2")}, []string{"1"}},
		"an untried lane":   {queue.Want{Max: 5, MaxPerLane: 5, MaxUntried: 0}, []queue.Job{job("1", "b"), job("2", "a")}, []string{"2"}},
		"the same ID twice": {queue.Want{Max: 5, MaxPerLane: 5}, []queue.Job{job("1", "a"), job("1", "a")}, []string{"1"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := server.Client().FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			l := lend(t, server, "")
			l.wait(t, c.want)
			l.enqueue(t, c.jobs...)
			l.receive(t, c.got...)
			s, err := l.Stats(t.Context())
			left := map[string]bool{}
			for _, j := range c.jobs {
				left[j.ID] = true
			}
			if err != nil || s.Leased != len(c.got) || s.Ready != len(left)-len(c.got) {
				t.Errorf("%+v, %v; want %d leased of %d", s, err, len(c.got), len(left))
			}
		})
	}
}

// A lane that has ready jobs, is held or was not healthy keeps its order and its rules: its jobs are
// received by a take.
func TestEnqueueLeasesNothingOfALaneThatIsNotIdle(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{})
	l := lend(t, server, "")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	leases := func(id string) []queue.Lease {
		loan := l.loans.offer(lendWant())
		l.enqueue(t, queue.Job{ID: id, Lane: "a"})
		return <-loan.answer
	}
	l.waitUntil(ctx, t, queue.Want{Max: 5, MaxPerLane: 5, Lanes: map[string]int{"a": 0}})
	l.enqueue(t, queue.Job{ID: "older", Lane: "a"})
	cancel()
	l.receive(t)
	if got := leases("other"); len(got) > 0 {
		t.Errorf("leased %v before an older job", got)
	}
	other, err := New(t.Context(), l.client, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	got, err := other.Receive(t.Context(), lendWant())
	if err != nil || len(got) != 2 || got[0].ID != "older" {
		t.Fatalf("received %v, %v; want older and other", got, err)
	}
	update := queue.LaneUpdate{Lane: "a", Health: queue.Failing, Hold: time.Minute, Since: got[1]}
	if err := other.SetLane(t.Context(), update); err != nil {
		t.Fatal(err)
	}
	if err := other.Nack(t.Context(), []queue.Nack{{Lease: got[0], Delay: time.Hour}, {Lease: got[1], Delay: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	if got := leases("held"); len(got) > 0 {
		t.Errorf("leased %v of a held lane", got)
	}
}

// When the answer of such an Enqueue is lost, its leases are given back, and nothing is lost or doubled.
func TestEnqueueWhoseLeasesAreLostReleasesThem(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{})
	proxy := testredis.StartProxy(t, server.Addr)
	l := lend(t, server, proxy.Addr)
	l.wait(t, lendWant())
	job := queue.Job{ID: "the-job", Lane: "a", Data: []byte("x")}
	lost := proxy.LoseAnswer(job.ID)
	if err := l.Enqueue(t.Context(), []queue.Job{job}); err == nil {
		t.Fatal("Enqueue succeeded without an answer")
	}
	<-lost
	l.enqueue(t, job) // repeated, as an emitter does
	leases := l.receive(t, job.ID)
	if leases[0].Attempts != 0 {
		t.Errorf("a lease that nobody had counts as an attempt")
	}
	if err := l.Ack(t.Context(), leases); err != nil {
		t.Fatal(err)
	}
	if s, err := l.Stats(t.Context()); err != nil || s.Ready+s.Leased+s.Delayed != 0 {
		t.Errorf("%+v is left, %v", s, err)
	}
}

// What was leased for a Receive that has gone meanwhile goes to the next one.
func TestLeasesForAReceiveThatHasGoneAreKept(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{})
	l := lend(t, server, "")
	w := l.loans.offer(lendWant())
	g := l.grant(l.parts[0])
	if g == nil || g.loan != w || l.loans.withdraw(w) {
		t.Fatal("the loan was not borrowed")
	}
	if leases := l.loans.leave(w); leases != nil {
		t.Fatalf("%v came before it was leased", leases)
	}
	l.repay(g.loan, []queue.Lease{{Job: queue.Job{ID: "late", Lane: "a"}, Health: queue.Healthy, Until: time.Now().Add(time.Minute)}})
	l.wait(t, lendWant())
	l.receive(t, "late")
}
