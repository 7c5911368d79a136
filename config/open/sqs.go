package open

import (
	"context"

	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/sqsqueue"
)

// sqsQueue opens the queue with the SDK's default credentials. It makes a queue that does not
// exist, unless a URL prefix says that it is there.
func sqsQueue(ctx context.Context, _ Opener, cfg *config.Config) (queue.Queue, error) {
	s := &cfg.Queue.SQS
	client, err := sqsqueue.NewClient(ctx, s.Region, string(s.EndpointURL))
	if err != nil {
		return nil, err
	}
	q, err := sqsqueue.New(ctx, client, sqsqueue.Options{
		QueueURL:          string(s.QueueURL),
		QueueURLPrefix:    string(s.QueueURLPrefix),
		Name:              s.QueueName,
		Create:            s.QueueURL == "" && s.QueueURLPrefix == "",
		FIFO:              s.FIFO,
		VisibilityTimeout: s.VisibilityTimeout,
		WaitTime:          s.WaitTime,
		MaxMessages:       s.MaxMessages,
		Pollers:           s.Concurrency,
		RetryBackoff:      s.RetryBackoff,
		NoMessageGroups:   s.NoMessageGroups,
	})
	if err != nil {
		return nil, err
	}
	return q, nil
}
