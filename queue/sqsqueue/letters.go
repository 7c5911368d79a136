package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pushhooks/webhook/queue"
)

// ErrNoDeadLetters is returned when the queue has no dead-letter queue.
var ErrNoDeadLetters = errors.New("sqsqueue: there is no dead-letter queue: set DeadLetterQueueURL, or a redrive policy on the queue")

// redriven is the reason of dead letters that SQS moved by itself.
const redriven = "redrive: moved by the queue's redrive policy"

// letter is a dead letter that this process has received.
type letter struct {
	queue.DeadLetter
	message string // SQS's ID
	handle  string
}

// toLetter reads a dead letter. It is not ok for a message that is of another application or of a
// newer format, which is left alone.
func toLetter(raw types.Message) (l letter, ok bool) {
	m, err := received(raw)
	if err != nil {
		m.Job.Job = foreign(raw)
	}
	l = letter{
		DeadLetter: queue.DeadLetter{Job: m.Job.Job, Reason: redriven, At: m.Sent},
		message:    m.MessageID, handle: m.Handle,
	}
	if reason, err := unescape(attribute(raw, attrReason)); err == nil && reason != "" {
		l.Reason = strings.ToValidUTF8(reason, "") // it may have been cut
		l.Attempts, _ = strconv.Atoi(attribute(raw, attrAttempts))
		l.First = parseTime(attribute(raw, attrFirst))
		l.At = parseTime(attribute(raw, attrAt))
	}
	return l, m.Unreadable == nil
}

// DeadLetters implements queue.DeadLetters. SQS has no listing: a listing receives up to 1,000
// letters or 64 MiB of them at a time, and lists those in the order in which they were given up.
// SQS chooses which they are where there are more. Until the listing's end, or until it has not
// been continued for 5 seconds, no other listing sees the letters. It ends after 20,000 letters
// that are neither replayed nor discarded meanwhile. One that is continued later, or with a letter
// that another process has listed, goes on behind that letter, and with more than 1,000 letters may
// leave some out.
func (q *Queue) DeadLetters(ctx context.Context, after string, limit int) ([]queue.DeadLetter, error) {
	if err := q.beginLook(ctx); err != nil {
		return nil, err
	}
	defer q.endLook()
	w := q.walks.continued(after)
	if w == nil {
		w = &walk{store: q.store, after: after}
	}
	list, err := w.page(ctx, limit)
	if len(list) > 0 {
		err = nil // if it lasts, the next page has it
	}
	goesOn := len(list) > 0 || err != nil && w.listed.ID != ""
	if !goesOn || w.isOver() {
		w.giveBack(giveBackLimit)
	}
	if goesOn {
		q.walks.keep(w, func() { q.endIdle(w) })
	}
	return list, err
}

// Replay implements queue.DeadLetters. Besides letters that a listing of this process has in hand
// it finds those that a listing would find.
func (q *Queue) Replay(ctx context.Context, replays []queue.Replayed) (int, error) {
	byID := make(map[string]queue.Job, len(replays))
	ids := make([]string, len(replays))
	for i, r := range replays {
		byID[r.ID], ids[i] = r.Job, r.ID
	}
	return q.settleLetters(ctx, ids, func(letters []letter) (settled []letter, err error) {
		jobs := make([]queue.Job, len(letters))
		for i, l := range letters {
			if jobs[i] = byID[l.ID]; jobs[i].Lane != l.Lane {
				return nil, fmt.Errorf("sqsqueue: replay of %q: the job is of lane %q; it must be of lane %q", l.ID, jobs[i].Lane, l.Lane)
			}
		}
		err = q.Enqueue(ctx, jobs)
		for i, l := range letters {
			if queue.ErrorOf(err, i) == nil {
				settled = append(settled, l)
			}
		}
		return settled, err
	})
}

// Discard implements queue.DeadLetters. It finds what Replay finds.
func (q *Queue) Discard(ctx context.Context, ids []string) (int, error) {
	return q.settleLetters(ctx, ids, func(letters []letter) ([]letter, error) { return letters, nil })
}

// settleLetters shows the letters with these IDs to settle, deletes those that it returns, and
// counts them.
func (q *Queue) settleLetters(ctx context.Context, ids []string, settle func([]letter) ([]letter, error)) (int, error) {
	if err := q.beginLook(ctx); err != nil {
		return 0, err
	}
	defer q.endLook()
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	found := q.walks.find(wanted)
	w := &walk{store: q.store}
	defer w.giveBack(giveBackLimit)
	if distinct(found) < len(wanted) {
		more, err := w.find(ctx, wanted)
		if err != nil {
			return 0, err
		}
		found = append(found, more...)
	}
	settled, err := settle(found)
	errs := q.store.deleteMessages(ctx, q.store.deadURL, handlesOf(settled))
	w.forget(settled)
	q.walks.forget(settled)
	return distinct(settled), errors.Join(err, errors.Join(errs...))
}

// beginLook waits for its turn: one look at the dead letters at a time.
func (q *Queue) beginLook(ctx context.Context) error {
	if q.closed.Load() {
		return queue.ErrClosed
	}
	if q.store.deadURL == "" {
		return ErrNoDeadLetters
	}
	select {
	case q.looking <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if q.closed.Load() {
		q.endLook()
		return queue.ErrClosed
	}
	return nil
}

func (q *Queue) endLook() { <-q.looking }

// endIdle gives back what a listing hides that nobody has continued.
func (q *Queue) endIdle(w *walk) {
	q.looking <- struct{}{}
	defer q.endLook()
	if !q.closed.Load() && w.isIdle() {
		w.giveBack(giveBackLimit)
	}
}

func distinct(letters []letter) int {
	ids := make(map[string]bool)
	for _, l := range letters {
		ids[l.ID] = true
	}
	return len(ids)
}

func handlesOf(letters []letter) []string {
	handles := make([]string, len(letters))
	for i, l := range letters {
		handles[i] = l.handle
	}
	return handles
}
