package sqsqueue

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pushhooks/webhook/queue"
)

// DeadLetter implements queue.Queue. The message goes to the dead-letter queue, with the
// reason and the attempts as attributes, before it is deleted. Without such a queue it is
// deleted and counted.
func (q *Queue) DeadLetter(ctx context.Context, l queue.Lease, reason string) error {
	if q.isClosed() {
		return queue.ErrClosed
	}
	held, lost := q.lookUp([]queue.Lease{l})
	if lost != nil {
		return queue.ErrLeaseLost
	}
	m := held.messages[0]
	if err := q.bury(ctx, m, reason); err != nil {
		return err
	}
	if err := q.remove(ctx, held.messages)[0]; err != nil {
		return err
	}
	if q.deadURL == "" {
		q.mu.Lock()
		q.dropped++
		q.mu.Unlock()
	}
	return nil
}

// bury sends a copy to the dead-letter queue, unless there is none or it is there.
func (q *Queue) bury(ctx context.Context, m *message, reason string) error {
	q.mu.Lock()
	buried, letter := m.buried, q.letter(m, reason)
	q.mu.Unlock()
	if buried || q.deadURL == "" {
		return nil
	}
	out, err := q.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{
		QueueUrl: &q.deadURL, Entries: []types.SendMessageBatchRequestEntry{letter},
	})
	if err != nil {
		return fmt.Errorf("sqsqueue: send to the dead-letter queue: %w", err)
	}
	for _, entry := range out.Failed {
		return entryError(entry)
	}
	q.mu.Lock()
	m.buried = true
	q.mu.Unlock()
	return nil
}

// letter is the message as a dead letter. On a FIFO dead-letter queue each is a group of
// its own, because a listing sees only as much of a group as one receive call returns.
func (q *Queue) letter(m *message, reason string) types.SendMessageBatchRequestEntry {
	e := encode(m.job)
	e.set(attrReason, cut(escape(reason), maxReason))
	e.set(attrAttempts, strconv.Itoa(m.attempts+1))
	e.set(attrAt, formatTime(time.Now()))
	first := m.first
	if first.IsZero() {
		first = m.began
	}
	e.set(attrFirst, formatTime(first))
	entry := types.SendMessageBatchRequestEntry{Id: entryID(0), MessageBody: &e.body, MessageAttributes: e.attrs}
	if strings.HasSuffix(q.deadURL, fifoSuffix) {
		id := token(m.job.ID)
		entry.MessageGroupId, entry.MessageDeduplicationId = &id, &id
	}
	return entry
}

// cut shortens an escaped text to at most n bytes, without splitting a character or an escape.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = strings.ToValidUTF8(s[:n], "")
	if i := strings.LastIndexByte(s, '%'); i >= 0 && i > len(s)-3 {
		s = s[:i]
	}
	return s
}
