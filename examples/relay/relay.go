package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/pushhooks/webhook"
)

// relay feeds an emitter and counts what it can't take.
type relay struct {
	*flags
	em      *webhook.Emitter
	stderr  *screen
	emitted int64
	invalid int64
}

// feed emits what it reads until the input or ctx ends.
func (r *relay) feed(ctx context.Context, stdin io.Reader) {
	lines := make(chan line)
	go readLines(ctx, stdin, lines)
	for {
		select {
		case l, ok := <-lines:
			if !ok {
				return
			}
			r.take(ctx, l)
		case <-ctx.Done():
			return
		}
	}
}

// take emits one line's event and counts it.
func (r *relay) take(ctx context.Context, l line) {
	err := r.emit(ctx, l)
	switch {
	case err == nil:
		r.emitted++
	case ctx.Err() != nil && errors.Is(err, ctx.Err()): // told to stop: this line was not taken
		fmt.Fprintf(r.stderr, "relay: stopped before line %d: %v\n", l.number, err)
	default:
		r.invalid++
		// The number of the line within an event's JSON says nothing beside that of the input.
		fmt.Fprintf(r.stderr, "line %d: %s\n", l.number, strings.Replace(err.Error(), ": line 1, column ", ": column ", 1))
	}
}

// emit emits one line's event, and waits where there is no room. Only for a webhook that is
// failing, and whose share is full, the event is dropped. It returns ctx's error when ctx has
// ended.
func (r *relay) emit(ctx context.Context, l line) error {
	if l.err != nil {
		return l.err
	}
	var ev webhook.Event
	if err := ev.UnmarshalJSON(l.text); err != nil { // json.Unmarshal would read the text twice
		return err
	}
	if err := ev.Validate(); err != nil { // Emit does not look at the events of disabled apps
		return err
	}
	return r.em.EmitWait(ctx, ev)
}

// finish waits, at most the time of -drain, until all is settled, or with -emit-only until the
// queue has it, and shuts down. A relay that was told to stop leaves to a durable queue what is in
// it: a webhook that is held would keep it for long.
func (r *relay) finish(stopped bool) {
	ctx, cancel := context.WithTimeout(context.Background(), r.drain)
	defer cancel()
	var err error
	switch {
	case r.emitOnly:
		err = r.em.Flush(ctx)
	case !r.work && !stopped:
		if err = r.drainAll(ctx); errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("not all deliveries are settled within the time of -drain, %v", r.drain)
			if n := r.em.Stats().Queued; n > 0 {
				err = fmt.Errorf("%w: %d are left to the queue", err, n)
			}
		}
	}
	if err = errors.Join(err, r.em.Shutdown(ctx)); err != nil {
		fmt.Fprintln(r.stderr, "relay:", err)
	}
}

// totals is the line that the command prints. All but the first two and the last count pairs of an
// event and a webhook.
type totals struct {
	Emitted   int64 `json:"emitted"`
	Invalid   int64 `json:"invalid"`
	Matched   int64 `json:"matched"`
	Delivered int64 `json:"delivered"`
	Dead      int64 `json:"dead"`
	Dropped   int64 `json:"dropped"`
	Pending   int64 `json:"pending"`
	Queued    int64 `json:"queued"`
	Attempts  int64 `json:"attempts"`
}

func deadText(n int64) string {
	if n == 1 {
		return "1 delivery was given up and is a dead letter"
	}
	return fmt.Sprintf("%d deliveries were given up and are dead letters", n)
}

// report prints the totals and returns the exit code.
func (r *relay) report(stdout io.Writer) int {
	s := r.em.Stats()
	t := totals{
		Emitted: r.emitted, Invalid: r.invalid, Matched: s.Matched + s.Adopted,
		Delivered: s.Delivered, Dead: s.Dead, Dropped: s.Dropped, Pending: s.Pending, Queued: s.Queued,
		Attempts: s.Attempts,
	}
	if err := json.NewEncoder(stdout).Encode(t); err != nil {
		fmt.Fprintln(r.stderr, "relay: printing the totals:", err)
		return exitLeft
	}
	if t.Dead > 0 {
		fmt.Fprintf(r.stderr, "relay: warning: %s; the lines \"webhook job dead-lettered\" say why, and docs/operations.md what to do\n", deadText(t.Dead))
	}
	if t.Pending > 0 || t.Dropped > 0 {
		return exitLeft
	}
	return exitOK
}
