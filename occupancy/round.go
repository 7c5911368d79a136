package occupancy

import (
	"errors"
	"fmt"

	"github.com/pushhooks/webhook"
)

// maxErrors is how many problems an error lists.
const maxErrors = 8

// round is one call's events: it emits them and gathers what was refused.
type round struct {
	emitter Emitter
	errs    []error
	more    int // those that errs has no room for
}

// emit reports whether the event need not be emitted again: it was taken, or refused for good.
func (r *round) emit(ev webhook.Event) bool {
	err := r.emitter.Emit(ev)
	if err == nil {
		return true
	}
	waits := errors.Is(err, webhook.ErrOverflow)
	fate := "is not sent"
	if waits {
		fate = "waits"
	}
	what := fmt.Sprintf("%s of app %q, channel %q", ev.Type, ev.AppID, ev.Channel)
	if ev.UserID != "" {
		what += fmt.Sprintf(", user %q", ev.UserID)
	}
	r.fail(fmt.Errorf("occupancy: %s %s: %w", what, fate, err))
	return !waits
}

func (r *round) fail(err error) {
	if len(r.errs) < maxErrors {
		r.errs = append(r.errs, err)
	} else {
		r.more++
	}
}

func (r *round) err() error {
	switch {
	case r.more > 0:
		return errors.Join(append(r.errs, fmt.Errorf("occupancy: and %d more", r.more))...)
	case len(r.errs) == 1:
		return r.errs[0]
	}
	return errors.Join(r.errs...)
}
