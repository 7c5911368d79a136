package webhook

import (
	"cmp"
	"context"
	"iter"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// DeadLetterQuery chooses dead letters: those that meet all the conditions that are set. The zero
// value chooses every one.
type DeadLetterQuery struct {
	AppID     string    // of this app
	WebhookID string    // of a webhook with this ID, of any app unless AppID is set too
	Since     time.Time // given up at this time or later
	// with one of these IDs; nil is no condition, and an empty list chooses none
	IDs []string

	// After begins the list behind the dead letter with this ID, in the queue's order, so that a
	// list can be shown page by page. It is no condition: Discard asks for another one besides.
	// Where the letter is gone and the queue cannot tell any more where it was, the list begins
	// with the oldest.
	After string

	// Progress, if set, is called after each page of up to 100 dead letters, by the goroutine that
	// works on the query.
	Progress func(DeadLetterProgress)
}

// DeadLetterProgress is how far the work on a DeadLetterQuery has come.
type DeadLetterProgress struct {
	Seen   int // dead letters that the queue has listed
	Chosen int // of those, dead letters that the query chooses
	Done   int // of those, dead letters that were replayed or discarded

	Last string // ID of the last dead letter that was listed, for After
}

// deadLetterPage is how many dead letters are asked for at once.
const deadLetterPage = 100

// isEmpty reports whether the query has no condition.
func (q *DeadLetterQuery) isEmpty() bool {
	return q.AppID == "" && q.WebhookID == "" && q.Since.IsZero() && q.IDs == nil
}

// onlyIDs reports whether the query has no condition but IDs.
func (q *DeadLetterQuery) onlyIDs() bool {
	return q.After == "" && q.IDs != nil && q.AppID == "" && q.WebhookID == "" && q.Since.IsZero()
}

// chooses reports whether a dead letter meets the conditions but for the IDs. Its lane names the
// webhook, also where the job cannot be read.
func (q *DeadLetterQuery) chooses(d *queue.DeadLetter) bool {
	app, webhook := splitLane(d.Lane)
	return (q.AppID == "" || app == q.AppID) && (q.WebhookID == "" || webhook == q.WebhookID) && !d.At.Before(q.Since)
}

func (q *DeadLetterQuery) tell(p DeadLetterProgress) {
	if q.Progress != nil {
		q.Progress(p)
	}
}

// deadPages lists what the query chooses of each page, and counts it in p. Dead letters that were
// given up after until are left out, unless until is zero.
func (e *Emitter) deadPages(
	ctx context.Context, q *DeadLetterQuery, until time.Time, p *DeadLetterProgress,
) iter.Seq2[[]queue.DeadLetter, error] {
	return func(yield func([]queue.DeadLetter, error) bool) {
		d, err := e.deadLetters()
		if err != nil {
			yield(nil, err)
			return
		}
		left := make(map[string]struct{}, len(q.IDs)) // IDs that were not seen yet
		for _, id := range q.IDs {
			left[id] = struct{}{}
		}
		for after := q.After; q.IDs == nil || len(left) > 0; {
			page, err := d.DeadLetters(ctx, after, deadLetterPage)
			// a queue in this process may not look at ctx
			if err = cmp.Or(err, ctx.Err()); err != nil {
				yield(nil, readable(err))
				return
			}
			if len(page) == 0 {
				return
			}
			after = page[len(page)-1].ID
			p.Seen, p.Last = p.Seen+len(page), after
			chosen := page[:0]
			for i := range page {
				_, named := left[page[i].ID]
				delete(left, page[i].ID)
				if (q.IDs == nil || named) && q.chooses(&page[i]) && (until.IsZero() || !page[i].At.After(until)) {
					chosen = append(chosen, page[i])
				}
			}
			p.Chosen += len(chosen)
			clear(page[len(chosen):])
			if !yield(chosen, nil) {
				return
			}
		}
	}
}
