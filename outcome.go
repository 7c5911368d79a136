package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

const (
	maxRetryAfter = 30 * time.Minute // how long Retry-After can delay a job
	maxAskedHold  = 2 * time.Minute  // how long it can hold its lane
)

// normal returns out as the rest of this package can use it, whatever the sender or middleware has
// returned: a known verdict, a failure with a reason, an error whose text was read once, a
// RetryAfter within its bounds, and texts of one line.
func normal(out dispatch.Outcome) dispatch.Outcome {
	if out.Verdict > dispatch.Unsent {
		out.Err = fmt.Errorf("the sender returned verdict %d, which is not known", out.Verdict)
		out.Verdict, out.Reason = dispatch.Retry, "unknown_verdict"
	}
	if out.Verdict == dispatch.Delivered {
		out.Reason, out.Err = "", nil
	} else {
		out.Reason, out.Err = cmp.Or(out.Reason, "unknown"), readError(out.Err)
	}
	out.RetryAfter = min(max(0, out.RetryAfter), maxRetryAfter)
	return out.Clean()
}

// readError returns an error whose text is that of err, read once. err may be a typed nil, or
// panic.
func readError(err error) (read error) {
	if err == nil {
		return nil
	}
	defer func() {
		if recover() != nil {
			read = errors.New("an error without a text: its Error method panics")
		}
	}()
	return &attemptError{err.Error(), err}
}

// attemptError is a sender's error with its text.
type attemptError struct {
	text string
	err  error
}

func (e *attemptError) Error() string { return e.text }
func (e *attemptError) Unwrap() error { return e.err }

// panicOutcome is the outcome of an attempt that has panicked, or has ended its goroutine.
func panicOutcome(h *hook, value any) dispatch.Outcome {
	return normal(dispatch.Outcome{Reason: "panic", Err: errors.New("middleware or sender: " + h.redact(panicText(value)))})
}

// panicText words a panic's value, nil for runtime.Goexit. Values of most types may hold secrets.
func panicText(value any) string {
	switch v := value.(type) {
	case nil:
		return "runtime.Goexit was called"
	case string:
		return v
	case error:
		return readError(v).Error()
	}
	return fmt.Sprintf("a value of type %T", value)
}
