package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// BenchmarkEmit is what an Emit costs its caller at full speed, in batches of 100 events: of the sketch,
// and of the library with a queue that takes everything and keeps nothing. A webhook more is another
// app's batch for the sketch. Both sign their jobs meanwhile, on cores that producers could use.
//
//	go test -run xxx -bench Emit -count 5 .
func BenchmarkEmit(b *testing.B) {
	for _, webhooks := range []int{1, 10} {
		for _, producers := range []int{1, 8} {
			name := fmt.Sprintf("webhooks=%d/producers=%d", webhooks, producers)
			b.Run(name+"/sketch", func(b *testing.B) { emitToSketch(b, webhooks, producers) })
			b.Run(name+"/library", func(b *testing.B) { emitToLibrary(b, webhooks, producers) })
		}
	}
}

const emitApps = 10

// emitFrom has producers emit b.N events of w in all.
func emitFrom(b *testing.B, w *workload, producers int, emit func(webhook.Event)) {
	b.Helper()
	ready := make([]webhook.Event, 1000) // so that making them is not measured
	for i := range ready {
		ready[i] = w.event(i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var all sync.WaitGroup
	for p := range producers {
		all.Go(func() {
			for i := p; i < b.N; i += producers {
				emit(ready[i%len(ready)])
			}
		})
	}
	all.Wait()
	b.StopTimer()
}

func emitToSketch(b *testing.B, webhooks, producers int) {
	var others []string
	for i := range emitApps * webhooks {
		others = append(others, fmt.Sprint("app-", i))
	}
	s := newSketch(others, batchSize)
	var signing sync.WaitGroup
	signing.Go(func() {
		signer := newSigner()
		for j := range s.sink {
			_ = signer.sign(j.body)
			s.release(j)
		}
	})
	names := make(map[string][]string, emitApps)
	for i, name := range others {
		app := others[i%emitApps]
		names[app] = append(names[app], name)
	}
	emitFrom(b, newWorkload(emitApps), producers, func(ev webhook.Event) {
		for _, app := range names[ev.AppID] {
			ev.AppID = app
			s.Emit(ev)
		}
	})
	s.finish()
	signing.Wait()
}

func emitToLibrary(b *testing.B, webhooks, producers int) {
	o := webhook.Options{
		Queue: discard{queue.None}, EmitOnly: true, Logger: slog.New(slog.DiscardHandler), HTTP: dispatch.SenderFunc(nil),
	}
	w := newWorkload(emitApps)
	for _, id := range w.apps {
		hooks := make([]webhook.Webhook, webhooks)
		for i := range hooks {
			hooks[i] = webhook.Webhook{URL: "http://receiver.test/", EventTypes: []webhook.EventType{webhook.TypeClientEvent}}
		}
		o.Apps = append(o.Apps, webhook.App{ID: id, Key: appKey, Secret: appSecret, Webhooks: hooks})
	}
	em, err := webhook.New(o)
	if err != nil {
		b.Fatal(err)
	}
	emitFrom(b, w, producers, func(ev webhook.Event) {
		if err := em.EmitWait(context.Background(), ev); err != nil {
			b.Error(err)
		}
	})
	if err := em.Shutdown(b.Context()); err != nil {
		b.Error(err)
	}
}
