package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/pushhooks/webhook/internal/oneline"
	"github.com/pushhooks/webhook/queue"
)

// DeadLetter is a delivery that was given up. Of a job with the reason bad_signature all fields but
// the ID may be lies.
type DeadLetter struct {
	ID        string // names it in a DeadLetterQuery
	AppID     string // empty, as are the next three, where the job was unreadable
	WebhookID string
	JobID     string // what receivers saw as Webhook-Id
	Body      []byte // the payload as it was signed
	Events    int

	Reason   string    // a stable word, a colon and details; docs/operations.md lists the words
	Attempts int       // that were made, as Trace and the log count them
	First    time.Time // the first attempt
	At       time.Time // when it was given up
}

// DeadLetters lists the dead letters that the query chooses, oldest first, whichever process gave
// them up. It asks the queue for 100 at a time and keeps no more. While others replay or discard
// dead letters it may list one twice: where the last one of a hundred is gone, it goes on with the
// oldest. Replay and Discard act on each once nevertheless. It stops at an error, which wraps
// errors.ErrUnsupported where the queue has no list, and when ctx ends.
func (e *Emitter) DeadLetters(ctx context.Context, q DeadLetterQuery) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		var p DeadLetterProgress
		for page, err := range e.deadPages(ctx, &q, time.Time{}, &p) {
			if err != nil {
				yield(DeadLetter{}, fmt.Errorf("webhook: dead letters: %w", err))
				return
			}
			for i := range page {
				if !yield(readDeadLetter(&page[i]), nil) {
					return
				}
			}
			q.tell(p)
		}
	}
}

// Replay gives the dead letters that the query chooses another try, as new jobs: with a whole
// budget, and with a new time and signature. Receivers see the old Webhook-Id. It returns how many
// were replayed. Without IDs it replays what was there when it was called, as exactly as the
// server's clock is known: the dead letters of the last moment may stay. A job that fails again is
// another dead letter, with another ID.
//
// A new job has to be sealed, and what is sealed has to be genuine. A dead letter that cannot be
// verified stays where it is: it was altered, or it is for an app or of a key that this emitter
// does not have. The others are replayed, and the error then wraps [ErrUnverified].
func (e *Emitter) Replay(ctx context.Context, q DeadLetterQuery) (int, error) {
	unverified := 0
	n, err := e.eachDead(ctx, &q, func(d queue.DeadLetters, page []queue.DeadLetter) (int, error) {
		letters := make([]queue.Replayed, 0, len(page))
		for i := range page {
			if job, ok := e.replayJob(&page[i]); ok {
				letters = append(letters, queue.Replayed{ID: page[i].ID, Job: job})
			} else {
				unverified++
			}
		}
		if len(letters) == 0 {
			return 0, nil
		}
		return d.Replay(ctx, letters)
	})
	switch {
	case err != nil:
		return n, fmt.Errorf("webhook: replay: %w", err)
	case unverified > 0:
		return n, fmt.Errorf("webhook: replay: %d replayed, %d left: %w", n, unverified, ErrUnverified)
	}
	return n, nil
}

// replayJob makes the job that takes a dead letter's place, sealed again. It reports false if the
// dead letter cannot be verified here: sealing it would vouch for data that may have been altered.
func (e *Emitter) replayJob(d *queue.DeadLetter) (queue.Job, bool) {
	j, err := parseJob(d.Data)
	if err != nil || !j.isAt(d.ID, d.Lane) {
		return queue.Job{}, false
	}
	a := e.apps.get(j.app)
	if a == nil || !e.traits.InProcess && a.verifies(j) == nil {
		return queue.Job{}, false
	}
	job, env := d.Job, j.envelope
	job.ID = queue.ReplayID(d.ID)
	env.id, env.sealedMS = job.ID, time.Now().UnixMilli()
	job.Data = seal(bytes.Clone(j.body), &env, a.keys[0], e.traits.InProcess)
	return job, true
}

// Discard forgets the dead letters that the query chooses for good, and returns how many there
// were. Because that cannot be taken back it refuses a query without a condition; one with a Since
// of long ago chooses all. Without IDs it discards what was there when it was called.
func (e *Emitter) Discard(ctx context.Context, q DeadLetterQuery) (int, error) {
	if q.isEmpty() {
		return 0, errors.New("webhook: discard: the query chooses everything: set AppID, WebhookID, Since or IDs")
	}
	discard := e.eachDead
	if q.onlyIDs() { // which need not be listed
		discard = e.namedDead
	}
	n, err := discard(ctx, &q, func(d queue.DeadLetters, page []queue.DeadLetter) (int, error) {
		ids := make([]string, len(page))
		for i := range page {
			ids[i] = page[i].ID
		}
		return d.Discard(ctx, ids)
	})
	if err != nil {
		return n, fmt.Errorf("webhook: discard: %w", err)
	}
	return n, nil
}

// eachDead calls act with the dead letters that the query chooses, page by page, and adds up what
// it returns. It acts on a page when the next one was listed, because the list goes on after a
// letter that is there.
func (e *Emitter) eachDead(
	ctx context.Context, q *DeadLetterQuery, act func(queue.DeadLetters, []queue.DeadLetter) (int, error),
) (int, error) {
	d, err := e.deadLetters()
	if err != nil {
		return 0, err
	}
	until := time.Time{}
	if q.IDs == nil {
		until = time.Now()
	}
	var p DeadLetterProgress
	settle := func(page []queue.DeadLetter) error {
		if len(page) > 0 {
			n, err := act(d, page)
			if p.Done += n; err != nil {
				return readable(err)
			}
		}
		q.tell(p)
		return nil
	}
	var last []queue.DeadLetter
	for page, err := range e.deadPages(ctx, q, until, &p) {
		if err != nil {
			return p.Done, err
		}
		if err := settle(last); err != nil {
			return p.Done, err
		}
		last = page
	}
	return p.Done, settle(last)
}

// namedDead calls act with the dead letters that the query names, whether they are there or not.
// Only their IDs are set.
func (e *Emitter) namedDead(
	_ context.Context, q *DeadLetterQuery, act func(queue.DeadLetters, []queue.DeadLetter) (int, error),
) (int, error) {
	d, err := e.deadLetters()
	if err != nil || len(q.IDs) == 0 {
		return 0, err
	}
	letters := make([]queue.DeadLetter, len(q.IDs))
	for i, id := range q.IDs {
		letters[i].ID = id
	}
	n, err := act(d, letters)
	q.tell(DeadLetterProgress{Seen: n, Chosen: n, Done: n})
	return n, readable(err)
}

func (e *Emitter) deadLetters() (queue.DeadLetters, error) {
	q, ok := e.queue.(queue.DeadLetters)
	if !ok {
		return nil, fmt.Errorf("webhook: %T has no list of dead letters: %w", e.queue, errors.ErrUnsupported)
	}
	return q, nil
}

func readDeadLetter(d *queue.DeadLetter) DeadLetter {
	l := DeadLetter{ID: d.ID, Reason: oneline.Text(d.Reason), Attempts: attemptsMade(d), First: d.First, At: d.At, Body: d.Data}
	if j, err := parseJob(d.Data); err == nil {
		l.AppID, l.WebhookID, l.JobID, l.Body, l.Events = j.app, j.webhook, originalID(j.id), j.body, j.events
	}
	return l
}
