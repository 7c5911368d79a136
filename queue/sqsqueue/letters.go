package sqsqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pushhooks/webhook/internal/flatqueue"
	"github.com/pushhooks/webhook/queue"
)

// ErrNoDeadLetters is returned when the queue has no dead-letter queue.
var ErrNoDeadLetters = errors.New("sqsqueue: there is no dead-letter queue: set DeadLetterQueueURL, or a redrive policy on the queue")

// redriven is the reason of dead letters that SQS moved by itself.
const redriven = "redrive: moved by the queue's redrive policy"

// SQS has no listing: a look at the dead letters receives them and gives them back.
const (
	maxLetters     = 1000 // that one look sees
	maxLetterBytes = 64 << 20
	lookTimeout    = time.Minute // for which nobody else sees them if this process dies
	lookWait       = time.Second // in which SQS asks all of its servers
	giveBackLimit  = 5 * time.Second
)

// letter is a dead letter that this process has received for a look.
type letter struct {
	queue.DeadLetter
	handle string
}

// DeadLetters implements queue.DeadLetters. One look sees at most 1,000 letters and 64 MiB, in the
// order in which they were given up; SQS chooses which where there are more. During the look,
// which takes a second and more, other processes don't see them.
func (q *Queue) DeadLetters(ctx context.Context, after string, limit int) ([]queue.DeadLetter, error) {
	var list []queue.DeadLetter
	err := q.look(ctx, func(letters []letter) ([]letter, error) {
		start := 1 + slices.IndexFunc(letters, func(l letter) bool { return l.ID == after })
		listed := make(map[string]bool) // SQS may have more than one with the same id
		for _, l := range letters[start:] {
			if len(list) < limit && !listed[l.ID] {
				listed[l.ID] = true
				list = append(list, l.DeadLetter)
			}
		}
		return nil, nil
	})
	return list, err
}

// Replay implements queue.DeadLetters. It finds what DeadLetters finds.
func (q *Queue) Replay(ctx context.Context, replays []queue.Replayed) (n int, err error) {
	byID := make(map[string]queue.Job, len(replays))
	for _, r := range replays {
		byID[r.ID] = r.Job
	}
	err = q.look(ctx, func(letters []letter) ([]letter, error) {
		letters = chosen(letters, slices.Collect(maps.Keys(byID)))
		jobs := make([]queue.Job, len(letters))
		for i, l := range letters {
			if jobs[i] = byID[l.ID]; jobs[i].Lane != l.Lane {
				return nil, fmt.Errorf("sqsqueue: replay of %q: the job is of lane %q; it must be of lane %q", l.ID, jobs[i].Lane, l.Lane)
			}
		}
		err := q.Enqueue(ctx, jobs)
		var settled []letter
		for i, l := range letters {
			if queue.ErrorOf(err, i) == nil {
				settled = append(settled, l)
			}
		}
		n = distinct(settled)
		return settled, err
	})
	return n, err
}

// Discard implements queue.DeadLetters. It finds what DeadLetters finds.
func (q *Queue) Discard(ctx context.Context, ids []string) (n int, err error) {
	err = q.look(ctx, func(letters []letter) ([]letter, error) {
		letters = chosen(letters, ids)
		n = distinct(letters)
		return letters, nil
	})
	return n, err
}

// look receives dead letters and shows them to visit, oldest first. It deletes those
// that visit returns and gives back the others.
func (q *Queue) look(ctx context.Context, visit func([]letter) (settled []letter, err error)) error {
	if q.closed.Load() {
		return queue.ErrClosed
	}
	if q.store.deadURL == "" {
		return ErrNoDeadLetters
	}
	q.looking.Lock()
	defer q.looking.Unlock()
	letters, err := q.receiveLetters(ctx)
	defer func() { q.giveBackLetters(ctx, letters) }()
	if err != nil {
		return err
	}
	slices.SortStableFunc(letters, func(a, b letter) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	settled, err := visit(letters)
	handles := handlesOf(settled)
	letters = slices.DeleteFunc(letters, func(l letter) bool { return slices.Contains(handles, l.handle) })
	return errors.Join(err, errors.Join(q.store.deleteMessages(ctx, q.store.deadURL, handles)...))
}

func (q *Queue) receiveLetters(ctx context.Context) (letters []letter, err error) {
	for bytes := 0; len(letters) < maxLetters && bytes < maxLetterBytes; {
		messages, err := q.store.receive(ctx, q.store.deadURL, maxEntries, lookWait, lookTimeout)
		if err != nil {
			return letters, fmt.Errorf("look at the dead letters: %w", err)
		}
		if len(messages) == 0 {
			break
		}
		for _, raw := range messages {
			l := toLetter(raw)
			bytes += len(l.Data)
			letters = append(letters, l)
		}
	}
	return letters, nil
}

func toLetter(raw types.Message) letter {
	m := received(raw)
	if m.Unreadable != nil { // moved by SQS
		m.Job.Job = foreign(raw)
	}
	l := letter{handle: m.Handle, DeadLetter: queue.DeadLetter{Job: m.Job.Job, Reason: redriven, At: m.Sent}}
	if reason, err := unescape(attribute(raw, attrReason)); err == nil && reason != "" {
		l.Reason = strings.ToValidUTF8(reason, "") // it may have been cut
		l.Attempts, _ = strconv.Atoi(attribute(raw, attrAttempts))
		l.First = parseTime(attribute(raw, attrFirst))
		l.At = parseTime(attribute(raw, attrAt))
	}
	return l
}

// giveBackLetters makes letters visible again, even if ctx has ended.
func (q *Queue) giveBackLetters(ctx context.Context, letters []letter) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackLimit)
	defer cancel()
	changes := make([]flatqueue.Change, len(letters))
	for i, l := range letters {
		changes[i].Handle = l.handle
	}
	q.store.changeVisibility(ctx, q.store.deadURL, changes) // what fails is visible again in a minute
}

// chosen returns the letters with these ids.
func chosen(letters []letter, ids []string) []letter {
	var some []letter
	for _, l := range letters {
		if slices.Contains(ids, l.ID) {
			some = append(some, l)
		}
	}
	return some
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
