package sqsqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pushhooks/webhook/queue"
)

// ErrNoDeadLetters says that the queue has no dead-letter queue to look into.
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
func (q *Queue) Replay(ctx context.Context, ids []string) (n int, err error) {
	err = q.look(ctx, func(letters []letter) ([]letter, error) {
		var err error
		letters = chosen(letters, ids)
		jobs := make([]queue.Job, len(letters))
		for i, l := range letters {
			jobs[i] = l.Job
			jobs[i].ID = queue.ReplayID(l.ID)
		}
		var settled []letter
		if len(jobs) > 0 {
			err = q.Enqueue(ctx, jobs)
		}
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
	if q.isClosed() {
		return queue.ErrClosed
	}
	if q.deadURL == "" {
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
	return errors.Join(err, errors.Join(q.deleteMessages(ctx, q.deadURL, handles)...))
}

func (q *Queue) receiveLetters(ctx context.Context) (letters []letter, err error) {
	for bytes := 0; len(letters) < maxLetters && bytes < maxLetterBytes; {
		out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl:                    &q.deadURL,
			MaxNumberOfMessages:         maxEntries,
			WaitTimeSeconds:             seconds(lookWait),
			VisibilityTimeout:           seconds(lookTimeout),
			MessageAttributeNames:       []string{"All"},
			MessageSystemAttributeNames: systemAttributes,
		})
		if err != nil {
			return letters, fmt.Errorf("sqsqueue: look at the dead letters: %w", err)
		}
		if len(out.Messages) == 0 {
			break
		}
		for _, raw := range out.Messages {
			l := toLetter(raw)
			bytes += len(l.Data)
			letters = append(letters, l)
		}
	}
	return letters, nil
}

func toLetter(raw types.Message) letter {
	m := received(raw, time.Time{}, 0)
	l := letter{handle: m.handle, DeadLetter: queue.DeadLetter{Job: m.job, Reason: redriven, At: m.sent}}
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
	changes := make([]visibility, len(letters))
	for i, l := range letters {
		changes[i].handle = l.handle
	}
	q.changeVisibility(ctx, q.deadURL, changes) // what fails is visible again in a minute
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

// Stats implements queue.StatsReader. The numbers are SQS's, which are approximate and up
// to a minute old. Leased counts what any process has leased or waits out by its visibility
// timeout; Oldest looks only at what is parked in this process; Bytes is not known.
func (q *Queue) Stats(ctx context.Context) (queue.Stats, error) {
	if q.isClosed() {
		return queue.Stats{}, queue.ErrClosed
	}
	live, err := q.count(ctx, q.url)
	if err != nil {
		return queue.Stats{}, err
	}
	var dead counts
	if q.deadURL != "" {
		if dead, err = q.count(ctx, q.deadURL); err != nil {
			return queue.Stats{}, err
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	delayed := len(q.park.delayed)
	ready := q.park.jobs() - delayed
	return queue.Stats{
		Ready:       live.visible + ready,
		Delayed:     live.delayed + delayed,
		Leased:      max(live.invisible-ready-delayed, 0),
		Dead:        dead.visible + dead.invisible + dead.delayed,
		Oldest:      q.park.oldest(time.Now()),
		DeadDropped: q.dropped,
	}, nil
}

// counts are SQS's numbers of messages.
type counts struct{ visible, invisible, delayed int }

func (q *Queue) count(ctx context.Context, url string) (counts, error) {
	attrs, err := opener{client: q.client}.attributes(ctx, url)
	if err != nil {
		return counts{}, fmt.Errorf("sqsqueue: count the messages of %s: %w", url, err)
	}
	number := func(name types.QueueAttributeName) int {
		n, _ := strconv.Atoi(attrs[string(name)])
		return n
	}
	return counts{
		visible:   number(types.QueueAttributeNameApproximateNumberOfMessages),
		invisible: number(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible),
		delayed:   number(types.QueueAttributeNameApproximateNumberOfMessagesDelayed),
	}, nil
}
