package redisqueue_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// bury makes a dead letter of n bytes in a lane.
func bury(t *testing.T, q *redisqueue.Queue, id, lane string, n int) {
	t.Helper()
	mustEnqueue(t, q, queue.Job{ID: id, Lane: lane, Data: []byte(strings.Repeat("x", n))})
	if err := q.DeadLetter(t.Context(), mustReceive(t, q, want(1), 1)[0], "gone"); err != nil {
		t.Fatal(err)
	}
}

// Beyond MaxDeadBytes the lane that has the most bytes loses its oldest dead letters, and no other.
func TestDeadLettersOfTheHeaviestLaneAreEvicted(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 5} {
		client := testredis.StartServer(t, testredis.Options{}).Client()
		defer client.Close()
		q := open(t, client, redisqueue.Options{MaxDeadBytes: 100_000, Partitions: partitions})
		for i := range 5 {
			bury(t, q, fmt.Sprint("small-", i), fmt.Sprint("small-", i), 1000)
		}
		for i := range 40 {
			// some are in the letter, some apart
			bury(t, q, fmt.Sprint("big-", i), "big", 5000+i%2*(-4500))
		}
		letters, err := q.DeadLetters(t.Context(), "", 100)
		if err != nil {
			t.Fatal(err)
		}
		bytes, small, oldest := 0, 0, ""
		for _, d := range letters {
			bytes += len(d.Data)
			if d.Lane != "big" {
				small++
			} else if oldest == "" {
				oldest = d.ID
			}
		}
		if small != 5 || bytes > 100_000 || bytes < 85_000 || letters[len(letters)-1].ID != "big-39" {
			t.Errorf("%d partitions: %d of 5 letters of other lanes and %d bytes are left, from %s to %s",
				partitions, small, bytes, oldest, letters[len(letters)-1].ID)
		}
		if s, err := q.Stats(t.Context()); err != nil || s.Dead != len(letters) || int(s.DeadDropped) != 45-len(letters) {
			t.Errorf("%d partitions: the statistics are %+v, %v; %d of 45 letters are left", partitions, s, err, len(letters))
		}
		for i := range letters {
			if n, err := q.Discard(t.Context(), []string{letters[i].ID}); n != 1 || err != nil {
				t.Errorf("Discard of %s returned %d, %v", letters[i].ID, n, err)
			}
		}
		left, err := client.Keys(t.Context(), "pushhooks:{*}:*dead*").Result()
		heavy, heavyErr := client.Keys(t.Context(), "pushhooks:{*}:heavy").Result()
		large, largeErr := client.Keys(t.Context(), "pushhooks:{*}:large").Result()
		if err != nil || heavyErr != nil || largeErr != nil || len(left)+len(heavy)+len(large) > 0 {
			t.Errorf("%d partitions: without dead letters the keys %v %v %v are left", partitions, left, heavy, large)
		}
	}
}

// The dead letters of one webhook do not make a Redis that is small refuse the jobs of the others.
func TestDeadLettersGiveRoomToJobsWhenRedisIsFull(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{Args: []string{"--maxmemory", "64mb", "--maxmemory-policy", "noeviction"}})
	client := server.Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{})
	for i := range 400 { // 80 MB
		bury(t, q, fmt.Sprint("dead-", i), "dead", 200_000)
	}
	for i := range 40 {
		id := fmt.Sprint("small-", i)
		mustEnqueue(t, q, queue.Job{ID: id, Lane: "healthy", Data: []byte(strings.Repeat("x", 500+i%2*50_000))})
		if got := mustReceive(t, q, want(1), 1); got[0].ID != id {
			t.Fatalf("received %s; want %s", got[0].ID, id)
		} else if err := q.Ack(t.Context(), got); err != nil {
			t.Fatal(err)
		}
	}
	s, err := q.Stats(t.Context())
	if err != nil || s.Dead < 100 || s.DeadDropped == 0 || s.Dead+int(s.DeadDropped) != 400 {
		t.Errorf("the statistics are %+v, %v; want some of 400 dead letters to be dropped, and no more than is needed", s, err)
	}
}

// However many dead letters are too old, a listing shows none of them, and the statistics count
// none.
func TestManyOldDeadLettersAreDroppedAtOnce(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q := open(t, client, redisqueue.Options{MaxDeadAge: time.Second})
	const n = 250
	mustEnqueue(t, q, makeJobs("j", n, 5)...)
	for _, l := range mustReceive(t, q, want(n), n) {
		if err := q.DeadLetter(t.Context(), l, "gone"); err != nil {
			t.Fatal(err)
		}
	}
	<-time.After(1100 * time.Millisecond)
	if letters, err := q.DeadLetters(t.Context(), "", 10); err != nil || len(letters) > 0 {
		t.Errorf("%d dead letters are listed, %v", len(letters), err)
	}
	if s, err := q.Stats(t.Context()); err != nil || s.Dead != 0 || s.DeadDropped != n {
		t.Errorf("the statistics are %+v, %v", s, err)
	}
}
