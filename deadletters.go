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
	ID        string // names it to Replay and Discard
	AppID     string // empty, as are the next three, where the job was unreadable
	WebhookID string
	JobID     string // what receivers saw as Webhook-Id
	Body      []byte // the payload as it was signed
	Events    int

	Reason   string    // a stable word, a colon and details; docs/operations.md lists the words
	Attempts int       // that count, the lease under which it was given up included
	First    time.Time // the first attempt
	At       time.Time // when it was given up
}

// deadLetterPage is how many dead letters are asked for at once.
const deadLetterPage = 100

// DeadLetters lists what the queue's dead letters hold, oldest first, whichever process gave it up.
// It stops at an error, which wraps errors.ErrUnsupported where the queue has no list.
func (e *Emitter) DeadLetters(ctx context.Context) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		q, err := e.deadLetters()
		for after := ""; err == nil; {
			var page []queue.DeadLetter
			if page, err = q.DeadLetters(ctx, after, deadLetterPage); err != nil || len(page) == 0 {
				break
			}
			for _, d := range page {
				if !yield(readDeadLetter(d), nil) {
					return
				}
			}
			after = page[len(page)-1].ID
		}
		if err != nil {
			yield(DeadLetter{}, fmt.Errorf("webhook: dead letters: %w", readable(err)))
		}
	}
}

// Replay gives the dead letters with these IDs another try, as new jobs: with a whole budget, and
// with a new time and signature. Receivers see the old Webhook-Id. It returns how many were
// replayed.
//
// A new job has to be sealed, and what is sealed has to be genuine. A dead letter that cannot be
// verified stays where it is: it was altered, or it is for an app or of a key that this emitter does
// not have. The others are replayed, and the error then wraps [ErrUnverified].
func (e *Emitter) Replay(ctx context.Context, ids ...string) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	chosen := make(map[string]struct{}, len(ids))
	for _, id := range ids {
		chosen[id] = struct{}{}
	}
	return e.replay(ctx, func(d *queue.DeadLetter) bool {
		_, ok := chosen[d.ID]
		return ok
	})
}

// ReplayAll is Replay for every dead letter that was there when it was called.
func (e *Emitter) ReplayAll(ctx context.Context) (int, error) {
	began := time.Now()
	return e.replay(ctx, func(d *queue.DeadLetter) bool { return !d.At.After(began) })
}

// replay replays the dead letters that chosen picks. A page is replayed after the next one was
// listed, because the list goes on after a letter that is there.
func (e *Emitter) replay(ctx context.Context, chosen func(*queue.DeadLetter) bool) (int, error) {
	q, err := e.deadLetters()
	if err != nil {
		return 0, err
	}
	total, unverified := 0, 0
	var letters []queue.Replayed
	for after, more := "", true; more; {
		page, err := q.DeadLetters(ctx, after, deadLetterPage)
		if err != nil {
			return total, fmt.Errorf("webhook: replay: %w", readable(err))
		}
		if len(letters) > 0 {
			n, err := q.Replay(ctx, letters)
			if total += n; err != nil {
				return total, fmt.Errorf("webhook: replay: %w", readable(err))
			}
			letters = nil
		}
		for i := range page {
			if after = page[i].ID; !chosen(&page[i]) {
				continue
			}
			if job, ok := e.replayJob(&page[i]); ok {
				letters = append(letters, queue.Replayed{ID: page[i].ID, Job: job})
			} else {
				unverified++
			}
		}
		more = len(page) > 0
	}
	if unverified > 0 {
		return total, fmt.Errorf("webhook: replay: %d replayed, %d left: %w", total, unverified, ErrUnverified)
	}
	return total, nil
}

// replayJob makes the job that takes a dead letter's place, sealed again. It reports false if the
// dead letter cannot be verified here: sealing it would vouch for what somebody may have altered.
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

// Discard forgets the dead letters with these IDs for good, and returns how many there were.
func (e *Emitter) Discard(ctx context.Context, ids ...string) (int, error) {
	q, err := e.deadLetters()
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	n, err := q.Discard(ctx, ids)
	if err != nil {
		err = fmt.Errorf("webhook: discard: %w", readable(err))
	}
	return n, err
}

func (e *Emitter) deadLetters() (queue.DeadLetters, error) {
	q, ok := e.queue.(queue.DeadLetters)
	if !ok {
		return nil, fmt.Errorf("webhook: %T has no list of dead letters: %w", e.queue, errors.ErrUnsupported)
	}
	return q, nil
}

func readDeadLetter(d queue.DeadLetter) DeadLetter {
	l := DeadLetter{ID: d.ID, Reason: oneline.Text(d.Reason), Attempts: d.Attempts, First: d.First, At: d.At, Body: d.Data}
	if j, err := parseJob(d.Data); err == nil {
		l.AppID, l.WebhookID, l.JobID, l.Body, l.Events = j.app, j.webhook, originalID(j.id), j.body, j.events
	}
	return l
}
