package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// discard is a queue that takes everything and keeps nothing, so that Emit is measured and not what
// follows it.
type discard struct{ queue.Queue }

func (discard) Traits() queue.Traits {
	return queue.Traits{Lease: 30 * time.Second, Durable: true, Ordered: true}
}
func (discard) Enqueue(context.Context, []queue.Job) error { return nil }

// benchEmitter makes an emitter that delivers nothing.
func benchEmitter(b *testing.B, apps ...App) *Emitter {
	b.Helper()
	e, err := New(Options{
		Apps: apps, Queue: discard{queue.None}, EmitOnly: true, Logger: slog.New(slog.DiscardHandler), OutboxBytes: 1 << 30,
		HTTP: dispatch.SenderFunc(nil),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close() })
	return e
}

// benchEvent is of 140 bytes.
func benchEvent(app string) Event {
	return MemberAdded(app, "presence-room-"+strings.Repeat("x", 50), "user-012345678901")
}

func hooks(n int, f Filter) []Webhook {
	list := make([]Webhook, n)
	for i := range list {
		list[i] = Webhook{URL: "http://receiver.test/", EventTypes: []EventType{TypeMemberAdded, TypeMemberRemoved}, Filter: f}
	}
	return list
}

func emitLoop(b *testing.B, e *Emitter, ev Event) {
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Emit(ev); err != nil {
			b.Fatal(err)
		}
	}
}

// Emit for nobody: no webhook of the app wants the type, or none the channel.
func BenchmarkEmitUnwanted(b *testing.B) {
	e := benchEmitter(b, App{ID: "my-app", Key: "k", Secret: "s", Webhooks: hooks(1, Filter{ChannelPrefix: "private-"})})
	b.Run("type", func(b *testing.B) { emitLoop(b, e, ChannelOccupied("my-app", "presence-room")) })
	b.Run("channel", func(b *testing.B) { emitLoop(b, e, benchEvent("my-app")) })
}

// Emit for some webhooks, batching on.
func BenchmarkEmit(b *testing.B) {
	for _, n := range []int{1, 10} {
		b.Run(fmt.Sprintf("webhooks=%d", n), func(b *testing.B) {
			e := benchEmitter(b, App{ID: "my-app", Key: "k", Secret: "s", Webhooks: hooks(n, Filter{})})
			emitLoop(b, e, benchEvent("my-app"))
		})
	}
}

// Emit for one webhook from many goroutines: of one app, or each of its own.
func BenchmarkEmitParallel(b *testing.B) {
	for _, apps := range []int{1, 64} {
		b.Run(fmt.Sprintf("apps=%d", apps), func(b *testing.B) {
			var list []App
			for i := range apps {
				list = append(list, App{ID: fmt.Sprint("app-", i), Key: fmt.Sprint("k", i), Secret: "s", Webhooks: hooks(1, Filter{})})
			}
			e := benchEmitter(b, list...)
			var next atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				ev := benchEvent(fmt.Sprint("app-", next.Add(1)%int64(apps)))
				for pb.Next() {
					// So many producers are faster than the one goroutine that signs: they wait
					// where there is no room.
					if err := e.EmitWait(b.Context(), ev); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// Matching alone.
func BenchmarkMatch(b *testing.B) {
	for _, tt := range []struct {
		name string
		Filter
	}{
		{"none", Filter{}},
		{"prefix", Filter{ChannelPrefix: "presence-"}},
		{"namespace", Filter{ChannelNamespace: "room"}},
		{"pattern", Filter{ChannelPattern: `^presence-room-[0-9]+$`}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			m, err := tt.compile()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				m.match("presence-room:0123456789")
			}
		})
	}
	// the pattern that takes longest, on channels up to the longest
	b.Run("worst", func(b *testing.B) {
		m, err := (&Filter{ChannelPattern: worstPattern}).compile()
		if err != nil {
			b.Fatal(err)
		}
		for _, n := range []int{200, maxChannelBytes} {
			b.Run(fmt.Sprintf("channel=%d", n), func(b *testing.B) {
				channel := strings.Repeat("a", n)
				for b.Loop() {
					m.match(channel)
				}
			})
		}
	})
}

// Building and signing a batch's job, as the enqueuer does, a byte of body at a time.
func BenchmarkSeal(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			ev := benchEvent("my-app")
			body := appendBodyStart(nil, 1)
			for i := range n {
				if i > 0 {
					body = append(body, ',')
				}
				body = ev.appendJSON(body)
			}
			body = append(body, bodyEnd...)
			key := appKey{"my-key", newSigner("my-secret")}
			ids := newIDSource()
			buf := make([]byte, 0, len(body)+envelopeRoom+100)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				env := envelope{id: ids.next(time.UnixMilli(1)), app: "my-app", webhook: "wh_0", timeMS: 1, sealedMS: time.Now().UnixMilli(), events: n}
				seal(append(buf[:0], body...), &env, key, false)
			}
		})
	}
}

// Reading and verifying a job that was received, as a worker does.
func BenchmarkOpen(b *testing.B) {
	key := appKey{"my-key", newSigner("my-secret")}
	env := envelope{id: newIDSource().next(time.Now()), app: "my-app", webhook: "wh_0", timeMS: 1, sealedMS: time.Now().UnixMilli(), events: 1}
	ev := benchEvent("my-app")
	body := append(ev.appendJSON(appendBodyStart(nil, 1)), bodyEnd...)
	data := seal(body, &env, key, false)
	hint := envelope{id: env.id, app: env.app, webhook: env.webhook, key: env.key}
	b.ReportAllocs()
	for b.Loop() {
		var j parsedJob
		if err := j.parse(data, hint); err != nil || !j.isAt(env.id, "my-app/wh_0") || !j.verify(key.signer) {
			b.Fatal(err)
		}
	}
}

// A million apps with one webhook each: what one costs in memory, and what Emit costs beside ten
// apps.
func BenchmarkEmitManyApps(b *testing.B) {
	for _, n := range []int{10, 1_000_000} {
		b.Run(fmt.Sprintf("apps=%d", n), func(b *testing.B) {
			before := liveHeap()
			e := benchEmitter(b, registered(n)...)
			perApp := float64(liveHeap()-before) / float64(n)
			events := make([]Event, 1000)
			for i := range events {
				events[i] = ChannelOccupied(fmt.Sprint("app-", i*(n/10)%n+i*7919%max(1, n/10)%n), "c")
			}
			i := 0
			for b.Loop() {
				if err := e.Emit(events[i%len(events)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
			b.ReportMetric(perApp, "B/app")
		})
	}
}

func registered(n int) []App {
	list := make([]App, n)
	for i := range list {
		list[i] = App{ID: fmt.Sprint("app-", i), Key: fmt.Sprint("key-", i), Secret: "my-secret", Webhooks: hooks(1, Filter{})}
	}
	return list
}

func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What the library itself costs, from Emit to the settled job: the sender does nothing. One event a
// job, and 100.
func BenchmarkPipeline(b *testing.B) {
	sent := dispatch.SenderFunc(func(context.Context, *dispatch.Request) dispatch.Outcome {
		return dispatch.Outcome{Verdict: dispatch.Delivered, Status: 200}
	})
	for _, batching := range []bool{false, true} {
		b.Run(fmt.Sprintf("batching=%v", batching), func(b *testing.B) {
			var apps []App
			for i := range 10 {
				apps = append(apps, App{ID: fmt.Sprint("app-", i), Key: fmt.Sprint("k", i), Secret: "s", Webhooks: hooks(1, Filter{})})
			}
			e, err := New(Options{Apps: apps, HTTP: sent, Batching: Batching{Disabled: !batching}, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			var events []Event
			for _, a := range apps {
				events = append(events, benchEvent(a.ID))
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				for e.Emit(events[i%len(events)]) != nil {
					time.Sleep(100 * time.Microsecond)
				}
			}
			if err := e.Drain(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			_ = e.Close()
		})
	}
}
