package occupancy

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/pushhooks/webhook"
)

type nothing struct{}

func (nothing) Emit(webhook.Event) error { return nil }

// BenchmarkJoinLeave is a Join and a Leave of sockets that are on one other channel.
func BenchmarkJoinLeave(b *testing.B) {
	for _, bench := range []struct{ name, channel, user string }{
		{"occupied-vacated", "empty", ""},
		{"count", "busy", ""},
		{"member", "presence-busy", "new"},
		{"member-again", "presence-busy", "ann"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			tr := New(nothing{})
			for _, s := range []Subscription{
				sub("home", "1", ""), sub("busy", "2", ""), sub("presence-busy", "2", "ann"),
			} {
				_ = tr.Join(s)
			}
			s := sub(bench.channel, "1", bench.user)
			b.ReportAllocs()
			for b.Loop() {
				_ = tr.Join(s)
				_ = tr.Leave(s)
			}
		})
	}
}

// BenchmarkJoinLeaveParallel is the same of many sockets and channels from all cores.
func BenchmarkJoinLeaveParallel(b *testing.B) {
	tr := New(nothing{})
	subs := make([]Subscription, 10_000)
	for i := range subs {
		subs[i] = sub(fmt.Sprint("channel-", i), fmt.Sprint("socket-", i), "")
		_ = tr.Join(sub("home", subs[i].SocketID, ""))
	}
	var worker atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := int(worker.Add(1)) * 997; pb.Next(); i++ {
			s := subs[i%len(subs)]
			_ = tr.Join(s)
			_ = tr.Leave(s)
		}
	})
}

// BenchmarkMemory reports what a socket takes that is on two channels: one of its own, and a
// presence channel of a hundred.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		before := heap()
		tr := New(nothing{})
		joinMany(tr, 100_000)
		b.ReportMetric(float64(heap()-before)/100_000, "B/socket")
		runtime.KeepAlive(tr)
	}
}

func joinMany(tr *Tracker, sockets int) {
	for i := range sockets {
		socket := fmt.Sprint("socket-", i)
		_ = tr.Join(sub(fmt.Sprint("private-user-", i), socket, ""))
		_ = tr.Join(sub(fmt.Sprint("presence-", i/100), socket, fmt.Sprint("user-", i)))
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// It is not parallel, because it measures the heap.
func TestMemoryIsFreedWhenAllHaveGone(t *testing.T) {
	const sockets = 50_000
	tr := New(nothing{})
	before := heap()
	joinMany(tr, sockets)
	full := heap() - before
	for i := range sockets {
		ok(t, tr.Gone(fmt.Sprint("socket-", i)))
	}
	if left := heap() - before; left > full/20 {
		t.Errorf("%d of %d bytes are left", left, full)
	}
	empty(t, tr)
}
