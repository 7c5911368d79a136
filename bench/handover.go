package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
)

const (
	handOverRate    = 10_000 // events a second, each a job
	handOverSeconds = 10
)

// handOver measures how old events are when the queue takes them, on Redis, without batching, beside several kinds of
// receivers. As the outbox hands over in order, this is the age of the oldest event in it.
func handOver(addr string, rounds int) error {
	fmt.Printf("\nage at the hand-over to Redis, %d events/s without batching for %d s\n", handOverRate, handOverSeconds)
	for round := range rounds {
		for _, kind := range []string{"fast", "slow", "failing", "hanging", "none"} {
			if err := handOverBeside(addr, kind, round); err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
		}
	}
	return nil
}

func handOverBeside(addr, kind string, round int) error {
	r, err := startReceiver()
	if err != nil {
		return err
	}
	defer r.stop()
	if err := flushRedis(addr); err != nil {
		return err
	}
	q, err := openRedis(addr)
	if err != nil {
		return err
	}
	defer q.Close()
	ages := &ages{}
	o := options(r.url, q, 1)
	o.Trace = &webhook.Trace{Enqueued: ages.note}
	switch kind {
	case "none":
		o.EmitOnly = true
	case "fast":
	default:
		o.Middleware = append(o.Middleware, misbehaving(kind))
	}
	em, err := webhook.New(o)
	if err != nil {
		return err
	}
	defer em.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	const n = handOverRate * handOverSeconds
	began := time.Now()
	for i := range n {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / handOverRate)))
		if err := em.Emit(event(i)); err != nil {
			return err
		}
	}
	took := time.Since(began)
	delivered := em.Stats().Delivered
	if err := em.Flush(ctx); err != nil {
		return err
	}
	p50, p99, most := ages.percentiles()
	fmt.Printf("round %d, %-8s receivers: p50 %6v, p99 %6v, most %6v; emitted in %.1f s, %d delivered by then\n",
		round+1, kind, p50, p99, most, took.Seconds(), delivered)
	return nil
}

// ages notes how old events are when they are handed over.
type ages struct {
	mu  sync.Mutex
	all []time.Duration
}

// note reads the time of the event from its job's ID, a UUID of version 7.
func (a *ages) note(i webhook.EnqueuedInfo) {
	var ms [6]byte
	if _, err := hex.Decode(ms[:], []byte(strings.ReplaceAll(i.JobID, "-", "")[:12])); err != nil {
		return
	}
	at := int64(0)
	for _, b := range ms {
		at = at<<8 | int64(b)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, time.Since(time.UnixMilli(at)).Round(time.Millisecond))
}

func (a *ages) percentiles() (p50, p99, most time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.all) == 0 {
		return 0, 0, 0
	}
	slices.Sort(a.all)
	return a.all[len(a.all)/2], a.all[len(a.all)*99/100], a.all[len(a.all)-1]
}

// misbehaving is a middleware in front of a receiver of a kind.
func misbehaving(kind string) dispatch.Middleware {
	return func(next dispatch.Sender) dispatch.Sender {
		return dispatch.SenderFunc(func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			switch kind {
			case "slow":
				time.Sleep(20 * time.Millisecond)
				return next.Send(ctx, r)
			case "failing":
				return dispatch.Outcome{Verdict: dispatch.Retry, Status: 500, Reason: "status"}
			}
			<-ctx.Done()
			return dispatch.Outcome{Verdict: dispatch.Retry, Reason: "timeout", Err: ctx.Err()}
		})
	}
}

func flushRedis(addr string) error {
	c := redis.NewClient(&redis.Options{Addr: addr})
	defer c.Close()
	return c.FlushDB(context.Background()).Err()
}
