package otelwebhook

import (
	"log/slog"
	"testing"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue"
)

// BenchmarkEmit is an Emit for one webhook, with and without what this package adds to it. The
// queue is full at once, so that nothing is delivered besides.
func BenchmarkEmit(b *testing.B) {
	tel, _ := newTelemetry(b, Options{AppIDs: []string{"my-app"}})
	for _, bb := range []struct {
		name  string
		trace *webhook.Trace
	}{{"no trace", nil}, {"trace that does nothing", &webhook.Trace{
		Emitted: func(webhook.EmittedInfo) {}, Dropped: func(webhook.DroppedInfo) {},
	}}, {"otelwebhook", tel.Trace()}} {
		b.Run(bb.name, func(b *testing.B) {
			m, err := queue.NewMemory(queue.MemoryOptions{MaxJobs: 1})
			if err != nil {
				b.Fatal(err)
			}
			em := newEmitter(b, webhook.Options{
				Queue: m, Trace: bb.trace, EmitOnly: true, OutboxBytes: 1 << 34, Logger: slog.New(slog.DiscardHandler),
			})
			ev := webhook.ChannelOccupied("my-app", "chat")
			b.ReportAllocs()
			for b.Loop() {
				if err := em.Emit(ev); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkHooks(b *testing.B) {
	tel, _ := newTelemetry(b, Options{AppIDs: []string{"my-app"}})
	hooks := tel.Trace()
	emitted := webhook.EmittedInfo{Event: webhook.ChannelOccupied("my-app", "chat"), Webhooks: 1}
	dropped := webhook.DroppedInfo{AppID: "my-app", WebhookID: "w", Events: 1, Err: webhook.ErrOverflow}
	attempted := webhook.AttemptedInfo{AppID: "my-app", WebhookID: "w", Target: "https://receiver.test"}
	for name, hook := range map[string]func(){
		"Emitted":   func() { hooks.Emitted(emitted) },
		"Dropped":   func() { hooks.Dropped(dropped) },
		"Attempted": func() { hooks.Attempted(attempted) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				hook()
			}
		})
	}
}
