package sqsqueue

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pushhooks/webhook/queue"
)

// Bury sends a job that is given up to the dead-letter queue. Without one it is only counted.
func (s *store) Bury(ctx context.Context, letter queue.DeadLetter) error {
	if s.deadURL == "" {
		s.dropped.Add(1)
		return nil
	}
	out, err := s.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{
		QueueUrl: &s.deadURL, Entries: []types.SendMessageBatchRequestEntry{s.letter(letter)},
	})
	if err != nil {
		return fmt.Errorf("sqsqueue: send to the dead-letter queue: %w", err)
	}
	for _, entry := range out.Failed {
		return entryError(entry)
	}
	return nil
}

// letter is a dead letter as a message. On a FIFO dead-letter queue each is a group of its own,
// because a listing sees only as much of a group as one receive call returns.
func (s *store) letter(letter queue.DeadLetter) types.SendMessageBatchRequestEntry {
	e := encode(letter.Job)
	e.set(attrReason, cut(escape(letter.Reason), maxReason))
	e.set(attrAttempts, strconv.Itoa(letter.Attempts))
	e.setTime(attrAt, letter.At)
	e.setTime(attrFirst, letter.First)
	entry := types.SendMessageBatchRequestEntry{Id: entryID(0), MessageBody: &e.body, MessageAttributes: e.attrs}
	if strings.HasSuffix(s.deadURL, fifoSuffix) {
		id := token(letter.Job.ID)
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
