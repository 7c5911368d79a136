package main

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testredis"
)

// Three processes deliver 10,000 events in jobs of 50 to an ordered webhook, and every second the
// one that delivered last is killed. While the webhook waits for the lease of a killed one to end,
// others are killed.
func TestOrderedWebhookStaysInOrderWhenWorkersAreKilled(t *testing.T) {
	t.Parallel()
	const n = 10_000
	c := newCluster(t, redisQueue(testredis.StartServer(t, testredis.Options{})))
	c.command, c.ordered, c.size, c.timeout = "briefly", true, 50, 1000
	c.sink.answer = func(http.ResponseWriter, *http.Request) { <-time.After(20 * time.Millisecond) }
	c.fill(n)
	for range 3 {
		c.start()
	}
	began, killed, moved, seen := time.Now(), time.Now(), time.Now(), 0
	eventually(t, 4*time.Minute, "everything arrives", func() bool {
		now := time.Now()
		if arrived := c.sink.different(); arrived > seen {
			if now.Sub(moved) > briefLease/2 {
				killed = now // the lease has ended: let the next one work for a second
			}
			moved, seen = now, arrived
		}
		if now.Sub(killed) > time.Second {
			killed = now
			c.killAndReplace(c.sink.lastNode())
		}
		return seen == n
	})
	t.Logf("everything was there after %v", time.Since(began).Round(time.Millisecond))
	c.sink.wantNumbered(t, n)
	c.wantCopiesOfTheKilled()
	c.wantOrder()
}

// lastNode is who delivered last.
func (s *sink) lastNode() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.order) == 0 {
		return ""
	}
	nodes := s.got[s.order[len(s.order)-1]]
	return nodes[len(nodes)-1]
}

// wantOrder fails unless the events arrived in order: each is the next one, or begins the last job
// again.
func (c *cluster) wantOrder() {
	c.t.Helper()
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	next, first := 0, 0 // the next event, and the next new one
	for i, channel := range c.sink.order {
		n, err := strconv.Atoi(channel[2:])
		must(c.t, err)
		again := n < first && n >= first-c.size && n%c.size == 0
		if n != next && !again {
			c.t.Fatalf("event %d arrived as number %d, after event %d", n, i, next-1)
		}
		next = n + 1
		first = max(first, next)
	}
}
