package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

const (
	backlogEvents = 2500
	backlogGap    = 2 * time.Millisecond
)

// backlog measures how long a healthy webhook's events take from Emit to the receiver on Redis,
// without and with a dead webhook's backlog beside it, in alternating rounds.
func backlog(addr string, jobs, rounds int) error {
	fmt.Printf("\nemit to receipt beside a dead webhook with %d jobs on Redis, %d events/s without batching\n", jobs, time.Second/backlogGap)
	for round := range rounds {
		for _, dead := range []int{0, jobs} {
			line, err := besideBacklog(addr, fmt.Sprintf("backlog-%d-%d:", round, dead), dead)
			if err != nil {
				return err
			}
			fmt.Printf("round %d, backlog %6d: %s\n", round+1, dead, line)
		}
	}
	return nil
}

// besideBacklog measures with a backlog of so many jobs.
func besideBacklog(addr, prefix string, dead int) (line string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), measureTimeout)
	defer cancel()
	s := &servers{}
	defer s.stop(&err)
	r, err := startReceiver(receiverSpec{Latency: true})
	if err != nil {
		return "", err
	}
	s.Cleanup(func() { s.check(r.stop()) })
	store := &remoteStore{client: redis.NewClient(&redis.Options{Addr: addr})}
	s.Cleanup(func() { s.check(store.client.Close()) })
	if err := store.client.FlushDB(ctx).Err(); err != nil {
		return "", err
	}
	q, err := redisqueue.New(ctx, store.client, redisqueue.Options{Prefix: prefix})
	if err != nil {
		return "", err
	}
	s.Cleanup(func() { s.check(q.Close()) })
	load := newWorkload(2)
	o := libraryOptions(r.url, q, load.apps, 1)
	o.Apps[1].Webhooks[0].URL = refusingURL
	em, err := webhook.New(o)
	if err != nil {
		return "", err
	}
	s.Cleanup(func() { s.checkClosed(em.Close()) })
	return trickle(ctx, em, load, dead, r, store)
}

// refusingURL is a URL at which connections are refused.
const refusingURL = "http://127.0.0.1:1/"

// trickle emits the dead webhook's backlog, and then the healthy one's events one by one.
func trickle(ctx context.Context, em *webhook.Emitter, load *workload, dead int, r *remoteReceiver, store *remoteStore) (string, error) {
	for i := range dead {
		if err := em.EmitWait(ctx, load.event(2*i+1)); err != nil {
			return "", err
		}
	}
	if err := em.Flush(ctx); err != nil {
		return "", err
	}
	time.Sleep(2 * time.Second) // the dead one is held by then
	before, err := store.use(ctx)
	if err != nil {
		return "", err
	}
	began := time.Now()
	for i := range backlogEvents {
		if err := em.EmitWait(ctx, load.event(2*i)); err != nil {
			return "", err
		}
		time.Sleep(backlogGap)
	}
	took := time.Since(began)
	got, err := r.awaitEvents(ctx, backlogEvents)
	if err != nil {
		return "", err
	}
	after, err := store.use(ctx)
	return fmt.Sprintf("p50 %v, p99 %v, %.0f Redis commands/s", got.P50, got.P99, after.minus(before).commands/took.Seconds()), err
}
