package sqsqueue

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pushhooks/webhook/internal/flatqueue"
)

// Count counts the messages of both queues. The numbers are SQS's, which are approximate and up to
// a minute old.
func (s *store) Count(ctx context.Context) (flatqueue.Counts, error) {
	n, err := s.count(ctx, s.url)
	if err != nil {
		return n, err
	}
	n.DeadDropped = s.dropped.Load()
	if s.deadURL != "" {
		dead, err := s.count(ctx, s.deadURL)
		if err != nil {
			return n, err
		}
		n.Dead = dead.Visible + dead.Hidden + dead.Delayed
	}
	return n, nil
}

// count counts the messages of one queue.
func (s *store) count(ctx context.Context, url string) (flatqueue.Counts, error) {
	attrs, err := opener{client: s.client}.attributes(ctx, url)
	if err != nil {
		return flatqueue.Counts{}, fmt.Errorf("sqsqueue: count the messages of %s: %w", url, err)
	}
	number := func(name types.QueueAttributeName) int {
		n, _ := strconv.Atoi(attrs[string(name)])
		return n
	}
	return flatqueue.Counts{
		Visible: number(types.QueueAttributeNameApproximateNumberOfMessages),
		Hidden:  number(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible),
		Delayed: number(types.QueueAttributeNameApproximateNumberOfMessagesDelayed),
	}, nil
}
