package flatqueue

import (
	"testing"

	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/queuetest"
)

// A store in memory with nothing but the few calls of Store keeps the rules of package queue.
func TestConformance(t *testing.T) {
	t.Parallel()
	for name, groups := range map[string]bool{"Flat": false, "Groups": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			another := func(t *testing.T, q queue.Queue) queue.Queue {
				return New(q.(*Queue).store, q.(*Queue).opts)
			}
			queuetest.Run(t, queuetest.Harness{
				Virtual: true,
				Open: func(*testing.T) queue.Queue {
					f, opts := newFlat(), testOptions
					f.groups, opts.Groups = groups, groups
					return New(f, opts)
				},
				Another:  another,
				Reopen:   another,
				MaxDelay: testOptions.MaxHidden,
				Lacks:    queuetest.Lacks{Order: true, Partial: true, Turns: true, Stats: true},
			})
		})
	}
}
