package redisqueue_test

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// The rules that docs/queue-redis.md gives are enough for all that the queue does.
func TestTheDocumentedACLIsEnough(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/queue-redis.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("ACL: `([^`]+)`").FindSubmatch(page)
	if found == nil {
		t.Fatal("the page gives no ACL")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	server := testredis.StartServer(t, testredis.Options{})
	rules := []any{"ACL", "SETUSER", "queue", "reset", "on", ">password", "~pushhooks:*", "&pushhooks:*"}
	for _, rule := range strings.Fields(string(found[1])) {
		rules = append(rules, rule)
	}
	if err := server.Client().Do(ctx, rules...).Err(); err != nil {
		t.Fatal(err)
	}
	opts := *server.Client().Options()
	opts.Username, opts.Password = "queue", "password"
	client := redis.NewClient(&opts)
	defer client.Close()
	q, err := redisqueue.New(ctx, client, redisqueue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()

	check := func(doing string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", doing, err)
		}
	}
	check("Enqueue", q.Enqueue(ctx, []queue.Job{
		{ID: "a", Lane: "l", Data: []byte("x")}, {ID: "b", Lane: "l", Data: []byte("x")}, {ID: "c", Lane: "l", Data: []byte("x")},
	}))
	leases, err := q.Receive(ctx, queue.Want{Max: 3, MaxPerLane: 3, MaxUntried: 3, MaxFailing: 3})
	check("Receive", err)
	if len(leases) != 3 {
		t.Fatalf("%d of 3 jobs received", len(leases))
	}
	check("Extend", q.Extend(ctx, leases))
	check("Ack", q.Ack(ctx, leases[:1]))
	check("Nack", q.Nack(ctx, []queue.Nack{{Lease: leases[1]}}))
	check("DeadLetter", q.DeadLetter(ctx, leases[2], "gone"))
	_, err = q.DeadLetters(ctx, "", 10)
	check("DeadLetters", err)
	_, err = q.Replay(ctx, []queue.Replayed{{ID: leases[2].ID, Job: replayed(leases[2].Job)}})
	check("Replay", err)
	_, err = q.Stats(ctx)
	check("Stats", err)
	_, err = q.Lanes(ctx, "", 10)
	check("Lanes", err)
	check("SetLane", q.SetLane(ctx, queue.LaneUpdate{Lane: "held", Health: queue.Failing, Hold: time.Minute}))
	large := queue.Job{ID: "large", Lane: "l", Data: []byte(strings.Repeat("x", 5000))}
	check("Enqueue of a large job", q.Enqueue(ctx, []queue.Job{large}))
	leases, err = q.Receive(ctx, queue.Want{Max: 1, MaxPerLane: 1, MaxUntried: 1, MaxFailing: 1})
	check("Receive", err)
	check("Release", q.Release(ctx, leases))
	leases, err = q.Receive(ctx, queue.Want{Max: 1, MaxPerLane: 1, MaxUntried: 1, MaxFailing: 1})
	check("Receive", err)
	check("Replace", q.Replace(ctx, leases[0], []queue.Job{{ID: "part", Lane: "l"}}))
	_, err = q.Discard(ctx, []string{"c"})
	check("Discard", err)
}
