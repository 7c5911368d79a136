package webhook

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

// wakeUpRounds is how often the tests below let two goroutines race.
const wakeUpRounds = 200

// race lets Emits that find no room and the hand-over of the last batch race, while somebody waits for
// what the hand-over makes free.
func race(o *outbox, batch *hook, emits []*hook, size int64) {
	var over atomic.Bool
	began, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		close(began)
		for !over.Load() {
			n, _ := o.reserveAt(emits, size, false)
			o.unreserve(emits[:n], size)
			o.changed()
		}
	}()
	<-began
	over.Store(true)
	o.unreserve([]*hook{batch}, 900)
	o.changed()
	<-done
}

// A plain Emit that finds no room takes some for a moment. If that hides the room that the last
// hand-over made, nothing else may ever happen in the outbox.
func TestNoEmitWaitOverlooksRoomThatAnEmitHadForAMoment(t *testing.T) {
	t.Parallel()
	for _, emits := range []int{1, 2} {
		o := newOutbox(1000, new(atomic.Bool), make(chan struct{}))
		a, b := &hook{slot: &slot{}}, &hook{slot: &slot{}}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		for round := range wakeUpRounds {
			o.charge(a.slot, 900)
			got := make(chan error, 1)
			go func() {
				w := o.newWaiter(emitMode{ctx: ctx}, []*hook{a}, 600)
				err := o.await(w)
				n := w.n
				o.leave(w)
				if n > 0 {
					o.unreserve([]*hook{a}, 600)
					o.changed()
				}
				got <- err
			}()
			for o.line.length.Load() == 0 && ctx.Err() == nil {
				time.Sleep(time.Microsecond)
			}
			race(o, a, []*hook{b, a}[:emits], 700)
			if err := <-got; err != nil {
				t.Fatalf("round %d: an EmitWait waits although %d of 1000 bytes are used", round, o.used.Load())
			}
		}
	}
}

func TestShutdownDoesNotOverlookThatTheOutboxIsEmpty(t *testing.T) {
	t.Parallel()
	o := newOutbox(1000, new(atomic.Bool), make(chan struct{}))
	a, b := &hook{slot: &slot{}}, &hook{slot: &slot{}}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for round := range wakeUpRounds {
		o.charge(a.slot, 900)
		got := make(chan error, 1)
		go func() { got <- o.empty(ctx) }()
		race(o, a, []*hook{b}, 700)
		if err := <-got; err != nil {
			t.Fatalf("round %d: the outbox is waited for although %d bytes are in it", round, o.used.Load())
		}
	}
}
