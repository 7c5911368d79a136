package webhook

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/pushhooks/webhook/queue"
)

func TestAnEventThatIsRefusedIsNotCountedAsEmitted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		q.onEnqueue = func(ctx context.Context, _ []queue.Job) error { return hang(ctx) }
		e := start(t, &endpoint{}, with(q), func(o *Options) { o.OutboxBytes = 10_000 })
		took, refused := int64(0), int64(0)
		for i := range 1000 {
			switch err := e.Emit(occupied(i)); {
			case err == nil:
				took++
			case errors.Is(err, ErrOverflow):
				refused++
			default:
				t.Fatal(err)
			}
		}
		if s := e.Stats(); s.Emitted != took || s.Overflowed != refused || refused == 0 {
			t.Errorf("took %d and refused %d, but stats: %+v", took, refused, s)
		}
	})
}
