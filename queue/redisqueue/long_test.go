package redisqueue_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// maxScript is how long Redis may do nothing but run one script of ours.
const maxScript = 10 * time.Millisecond

// No call makes Redis run a script for long, however much there is. What is measured is the
// server's CPU time in a call by the number of its scripts, which other load does not change.
func TestScriptsAreShort(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{Lease: time.Hour, MaxDeadBytes: 1 << 30})
	ctx := t.Context()
	short := func(call string, do func() error) {
		t.Helper()
		cpu, scripts := effort(t, client)
		err := do()
		cpuAfter, scriptsAfter := effort(t, client)
		if err != nil {
			t.Fatalf("%s: %v", call, err)
		}
		each := (cpuAfter - cpu) / time.Duration(max(1, scriptsAfter-scripts))
		t.Logf("%s: %d scripts of %v", call, scriptsAfter-scripts, each)
		if each > maxScript {
			t.Errorf("%s: %d scripts of %v each", call, scriptsAfter-scripts, each)
		}
	}

	// 1,000 dead letters of 200 KiB.
	const large = 1000
	data := []byte(strings.Repeat("x", 200<<10))
	var leases []queue.Lease
	short("Enqueue of large jobs", func() error {
		for i := range large {
			if err := q.Enqueue(ctx, []queue.Job{{ID: fmt.Sprint("large-", i), Lane: "large-" + strconv.Itoa(i%5), Data: data}}); err != nil {
				return err
			}
		}
		return nil
	})
	short("Receive of large jobs", func() error {
		for len(leases) < large {
			got, err := q.Receive(ctx, want(20))
			if err != nil {
				return err
			}
			leases = append(leases, got...)
		}
		return nil
	})
	short("DeadLetter", func() error {
		for i := range leases {
			if err := q.DeadLetter(ctx, leases[i], "gone"); err != nil {
				return err
			}
			leases[i].Data = nil
		}
		return nil
	})
	var letters []queue.DeadLetter
	short("DeadLetters", func() (err error) {
		letters, err = q.DeadLetters(ctx, "", large)
		return err
	})
	if len(letters) != large || len(letters[0].Data) != len(data) {
		t.Fatalf("%d dead letters were listed", len(letters))
	}
	short("Replay", func() error {
		jobs := make([]queue.Replayed, large/2)
		for i := range jobs {
			jobs[i] = queue.Replayed{ID: letters[i].ID, Job: replayed(letters[i].Job)}
		}
		n, err := q.Replay(ctx, jobs)
		if n != len(jobs) {
			return errors.Join(err, fmt.Errorf("%d were replayed", n))
		}
		return err
	})
	short("Discard", func() error {
		var ids []string
		for _, d := range letters[large/2:] {
			ids = append(ids, d.ID)
		}
		n, err := q.Discard(ctx, ids)
		if n != len(ids) {
			return errors.Join(err, fmt.Errorf("%d were discarded", n))
		}
		return err
	})
	if err := client.FlushAll(ctx).Err(); err != nil {
		t.Fatal(err)
	}

	// 10,000 lanes with two jobs each.
	const lanes = 10_000
	short("Enqueue to many lanes", func() error {
		for i := range 2 {
			if err := q.Enqueue(ctx, makeJobs(fmt.Sprint("many-", i), lanes, lanes)); err != nil {
				return err
			}
		}
		return nil
	})
	short("Stats", func() error {
		s, err := q.Stats(ctx)
		if s.Ready != 2*lanes {
			err = errors.Join(err, fmt.Errorf("%d jobs are ready", s.Ready))
		}
		return err
	})
	list := func() error {
		n, after := 0, ""
		for {
			infos, err := q.Lanes(ctx, after, 1000)
			if err != nil || len(infos) == 0 {
				if n != lanes {
					err = errors.Join(err, fmt.Errorf("%d lanes were listed", n))
				}
				return err
			}
			n += len(infos)
			after = infos[len(infos)-1].Lane
		}
	}
	short("Lanes", list)
	leases = nil
	short("Receive", func() error {
		for len(leases) < 2*lanes {
			got, err := q.Receive(ctx, want(500))
			if err != nil {
				return err
			}
			leases = append(leases, got...)
		}
		return nil
	})
	short("Extend", func() error { return q.Extend(ctx, leases) })
	short("Nack", func() error {
		nacks := make([]queue.Nack, len(leases))
		for i := range leases {
			nacks[i] = queue.Nack{Lease: leases[i], Delay: time.Millisecond, Counted: true}
		}
		return q.Nack(ctx, nacks)
	})
	short("Stats when 20,000 delays have ended", func() error {
		s, err := q.Stats(ctx)
		if s.Ready != 2*lanes {
			err = errors.Join(err, fmt.Errorf("%d jobs are ready", s.Ready))
		}
		return err
	})
	leases = nil
	short("Receive again", func() error {
		for len(leases) < 2*lanes {
			got, err := q.Receive(ctx, want(500))
			if err != nil {
				return err
			}
			leases = append(leases, got...)
		}
		return nil
	})
	short("Release", func() error { return q.Release(ctx, leases[:lanes]) })
	short("Ack", func() error { return q.Ack(ctx, leases[lanes:]) })
}

// effort returns the CPU time that the server has used, and how many scripts it has run.
func effort(t *testing.T, client *redis.Client) (time.Duration, int) {
	t.Helper()
	info, err := client.Info(context.Background(), "cpu").Result()
	if err != nil {
		t.Fatal(err)
	}
	var cpu time.Duration
	for _, kind := range []string{"user", "sys"} {
		_, rest, _ := strings.Cut(info, "used_cpu_"+kind+"_main_thread:")
		seconds, _, _ := strings.Cut(rest, "\r\n")
		n, err := strconv.ParseFloat(seconds, 64)
		if err != nil {
			t.Fatal(err)
		}
		cpu += time.Duration(n * float64(time.Second))
	}
	return cpu, scripts(t, client)
}
