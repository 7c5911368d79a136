package main

import (
	"context"
	"encoding/hex"
	"errors"
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

// handOver measures how old events are when the queue takes them, on Redis, without batching,
// beside several kinds of receivers. As the outbox hands over in order, this is the age of the
// oldest event in it.
func handOver(addr string, rounds int) error {
	fmt.Printf("\nage at the hand-over to Redis, %d events/s without batching for %d s\n", handOverRate, handOverSeconds)
	for round := range rounds {
		for _, kind := range []string{"fast", "slow", "failing", "hanging", "none"} {
			line, err := handOverBeside(addr, kind)
			if err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
			fmt.Printf("round %d, %s\n", round+1, line)
		}
	}
	return nil
}

// handOverBeside returns what is to be printed of one kind of receivers.
func handOverBeside(addr, kind string) (line string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), measureTimeout)
	defer cancel()
	s := &servers{}
	defer s.stop(&err)
	r, err := startReceiver(receiverSpec{})
	if err != nil {
		return "", err
	}
	s.Cleanup(func() { s.check(r.stop()) })
	client := redis.NewClient(&redis.Options{Addr: addr})
	if err := client.FlushDB(ctx).Err(); err != nil {
		return "", errors.Join(err, client.Close())
	}
	q, err := openOnClient(ctx, client)
	if err != nil {
		return "", err
	}
	s.Cleanup(func() { s.check(q.Close()) })
	ages, load := &ages{}, newWorkload(full.Apps)
	o := libraryOptions(r.url, q, load.apps, 1)
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
		return "", err
	}
	s.Cleanup(func() { s.checkClosed(em.Close()) })
	began := time.Now()
	for i := range handOverRate * handOverSeconds {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / handOverRate)))
		if err := em.Emit(load.event(i)); err != nil {
			return "", err
		}
	}
	took, delivered := time.Since(began), em.Stats().Delivered
	err = em.Flush(ctx)
	p50, p99, most := ages.percentiles()
	return fmt.Sprintf("%-8s receivers: p50 %6v, p99 %6v, most %6v; emitted in %.1f s, %d delivered by then",
		kind, p50, p99, most, took.Seconds(), delivered), err
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
	slices.Sort(a.all)
	return percentile(a.all, 50), percentile(a.all, 99), percentile(a.all, 100)
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
