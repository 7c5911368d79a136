package redisqueue_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// scriptCommands returns the commands that the scripts run on a partition's keys.
func scriptCommands(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("lua/*.lua")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d scripts, %v", len(files), err)
	}
	var names []string
	for _, file := range files {
		if name := filepath.Base(file); name == "permissions.lua" || name == "layout.lua" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`'([A-Z]{3,})'`).FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(name string) bool {
		return slices.Contains([]string{"WITHSCORES", "LIMIT"}, name) // arguments
	})
	if len(names) < 30 {
		t.Fatalf("found only the commands %v", names)
	}
	return names
}

// restricted returns a client of a user whose rules are these, besides all keys and channels of the
// queue and all commands.
func restricted(t *testing.T, admin *redis.Client, rules ...string) *redis.Client {
	t.Helper()
	args := []any{"ACL", "SETUSER", "queue", "reset", "on", ">password", "~pushhooks:*", "&pushhooks:*", "+@all"}
	for _, rule := range rules {
		args = append(args, rule)
	}
	if err := admin.Do(t.Context(), args...).Err(); err != nil {
		t.Fatal(err)
	}
	opts := *admin.Options()
	opts.Username, opts.Password = "queue", "password"
	client := redis.NewClient(&opts)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestNewNamesThePermissionThatIsMissing(t *testing.T) {
	t.Parallel()
	admin := testredis.StartServer(t, testredis.Options{}).Client()
	defer admin.Close()
	commands := append(scriptCommands(t), "EVAL", "EVALSHA", "MULTI", "EXEC", "SUBSCRIBE", "TIME", "GET")
	for _, command := range commands {
		client := restricted(t, admin, "-"+strings.ToLower(command))
		_, err := redisqueue.New(t.Context(), client, redisqueue.Options{})
		if err == nil || !strings.Contains(strings.ToUpper(err.Error()), command) {
			t.Errorf("without %s New returned %v", command, err)
		}
	}
	keys := []string{"resetkeys", "~pushhooks:partitions", "~pushhooks:{0}:", "~pushhooks:{0}:-"}
	for missing, rules := range map[string][]string{
		"PUBLISH pushhooks:wake":        {"resetchannels", "&other:*"},
		"RPUSH pushhooks:{0}:lane:":     append(keys[:4:4], "~pushhooks:{0}:large", "~pushhooks:{0}:[^l]*"),
		"ZADD pushhooks:{0}:dead":       append(keys[:4:4], "~pushhooks:{0}:[^d]*"),
		"~pushhooks:* &pushhooks:* +@r": {"-zadd"}, // what to grant
	} {
		client := restricted(t, admin, rules...)
		_, err := redisqueue.New(t.Context(), client, redisqueue.Options{})
		if err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("with %v New returned %v; want %s in it", rules, err, missing)
		}
	}
	if _, err := redisqueue.New(t.Context(), restricted(t, admin), redisqueue.Options{}); err != nil {
		t.Errorf("with everything: %v", err)
	}
	// What New tried has left nothing behind.
	q := open(t, admin, redisqueue.Options{})
	if lanes, err := q.Lanes(t.Context(), "", 10); err != nil || len(lanes) > 0 {
		t.Errorf("there are lanes %v, %v", lanes, err)
	}
	if s, err := q.Stats(t.Context()); err != nil || s != (queue.Stats{}) {
		t.Errorf("the queue holds %+v, %v", s, err)
	}
}

// Whatever permission is taken away while the queue runs, no job is lost, in any of its calls.
func TestPermissionThatIsTakenAwayLosesNoJob(t *testing.T) {
	t.Parallel()
	admin := testredis.StartServer(t, testredis.Options{}).Client()
	defer admin.Close()
	rules := []string{"resetchannels"}
	for _, command := range scriptCommands(t) {
		rules = append(rules, "-"+strings.ToLower(command))
	}
	for i, rule := range rules {
		prefix := fmt.Sprintf("pushhooks:%d:", i)
		restricted(t, admin) // permits everything to those that are connected, too
		client := restricted(t, admin)
		opts := redisqueue.Options{Prefix: prefix, Lease: 300 * time.Millisecond, MarkerTTL: time.Second}
		q := open(t, client, opts)
		survive(t, rule, q, func(without bool) {
			if without {
				restricted(t, admin, rule)
			} else {
				restricted(t, admin)
			}
		})
	}
}

// survive makes every call of q once without a permission, and then delivers all that is left.
func survive(t *testing.T, rule string, q *redisqueue.Queue, restrict func(without bool)) {
	t.Helper()
	ctx := t.Context()
	jobs := makeJobs("j", 12, 4)
	for i := range jobs {
		if i%3 == 0 {
			jobs[i].Data = []byte(strings.Repeat("x", 2000))
		}
	}
	mustEnqueue(t, q, jobs...)
	leases := mustReceive(t, q, want(8), 8)
	dead := leases[7]
	if err := q.DeadLetter(ctx, dead, "gone"); err != nil {
		t.Fatal(err)
	}
	gone := map[string]bool{} // settled on purpose
	late := makeJobs("late", 4, 4)
	parts := []queue.Job{{ID: "part", Lane: leases[6].Lane, Data: []byte("p")}}
	again := replayed(dead.Job)

	restrict(true)
	lateErr := q.Enqueue(ctx, late)
	if q.Ack(ctx, leases[:1]) == nil {
		gone[leases[0].ID] = true
	}
	_ = q.Nack(ctx, []queue.Nack{{Lease: leases[1], Delay: time.Millisecond, Counted: true}, {Lease: leases[2], Counted: true}})
	_ = q.Release(ctx, leases[3:5])
	_ = q.DeadLetter(ctx, leases[5], "refused")
	_ = q.Replace(ctx, leases[6], parts)
	_ = q.SetLane(ctx, queue.LaneUpdate{Lane: leases[4].Lane, Health: queue.Failing})
	_, _ = q.Replay(ctx, []queue.Replayed{{ID: dead.ID, Job: again}})
	brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	some, _ := q.Receive(brief, want(2))
	_ = q.Extend(ctx, some)
	cancel()
	restrict(false)

	if lateErr != nil { // as an emitter does
		if err := q.Enqueue(ctx, late); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	deadline, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	for {
		missing := ""
		letters, err := q.DeadLetters(deadline, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range letters {
			seen[d.ID] = true
		}
		for _, j := range slices.Concat(jobs, late) {
			switch {
			// the last may have been settled as far as it counts
			case gone[j.ID] || seen[j.ID] || j.ID == leases[0].ID:
			case j.ID == leases[6].ID && seen["part"] || j.ID == dead.ID && seen[again.ID]:
			default:
				missing += " " + j.ID
			}
		}
		if missing == "" {
			return
		}
		brief, cancel := context.WithTimeout(deadline, 50*time.Millisecond)
		leases, err := q.Receive(brief, want(20))
		cancel()
		for _, l := range leases {
			seen[l.ID] = true
		}
		if err == nil {
			_ = q.Ack(deadline, leases)
		}
		if deadline.Err() != nil || err != nil && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
			t.Errorf("with %s: lost%s (%v)", rule, missing, err)
			return
		}
	}
}
