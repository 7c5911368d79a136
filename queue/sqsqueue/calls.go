package sqsqueue

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/pushhooks/webhook/internal/flatqueue"
	"github.com/pushhooks/webhook/queue"
)

// concurrentCalls bounds the batch calls that one method runs at once.
const concurrentCalls = 8

// inTens gives items to call in parts of at most ten, several calls at a time. A call
// sets its part of the errors that are returned, one for each item.
func inTens[T any](items []T, call func(part []T, errs []error)) []error {
	errs := make([]error, len(items))
	var group errgroup.Group
	group.SetLimit(concurrentCalls)
	from := 0
	for part := range slices.Chunk(items, maxEntries) {
		out := errs[from : from+len(part)]
		from += len(part)
		group.Go(func() error {
			call(part, out)
			return nil
		})
	}
	_ = group.Wait() // the calls report through errs
	return errs
}

// systemAttributes are what the driver reads of SQS's own attributes.
var systemAttributes = []types.MessageSystemAttributeName{
	types.MessageSystemAttributeNameApproximateReceiveCount,
	types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp,
	types.MessageSystemAttributeNameSentTimestamp,
}

// receive makes one receive call.
func (s *store) receive(ctx context.Context, url string, n int, wait, timeout time.Duration) ([]types.Message, error) {
	out, err := s.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    &url,
		MaxNumberOfMessages:         int32(n),
		WaitTimeSeconds:             seconds(wait),
		VisibilityTimeout:           seconds(timeout),
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: systemAttributes,
	})
	if err != nil {
		return nil, fmt.Errorf("sqsqueue: receive messages: %w", err)
	}
	return out.Messages, nil
}

// deleteMessages deletes the messages with these receipt handles.
func (s *store) deleteMessages(ctx context.Context, url string, handles []string) []error {
	return inTens(handles, func(part []string, errs []error) {
		in := &sqs.DeleteMessageBatchInput{QueueUrl: &url}
		for i := range part {
			in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: entryID(i), ReceiptHandle: &part[i]})
		}
		out, err := s.client.DeleteMessageBatch(ctx, in)
		if err != nil {
			setAll(errs, fmt.Errorf("sqsqueue: delete messages: %w", err))
			return
		}
		setFailed(errs, out.Failed, handleError)
	})
}

// changeVisibility sets visibility timeouts, rounded up to whole seconds.
func (s *store) changeVisibility(ctx context.Context, url string, changes []flatqueue.Change) []error {
	return inTens(changes, func(part []flatqueue.Change, errs []error) {
		in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url}
		for i := range part {
			in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
				Id: entryID(i), ReceiptHandle: &part[i].Handle, VisibilityTimeout: seconds(part[i].After),
			})
		}
		out, err := s.client.ChangeMessageVisibilityBatch(ctx, in)
		if err != nil {
			setAll(errs, fmt.Errorf("sqsqueue: change the visibility of messages: %w", err))
			return
		}
		setFailed(errs, out.Failed, handleError)
	})
}

// seconds rounds d up to what SQS takes.
func seconds(d time.Duration) int32 {
	d = min(max(d, 0), maxVisibility)
	return int32((d + time.Second - 1) / time.Second)
}

func entryID(i int) *string { return aws.String(strconv.Itoa(i)) }

func setAll(errs []error, err error) {
	for i := range errs {
		errs[i] = err
	}
}

// setFailed sets the errors of the entries that a batch call reports as failed.
func setFailed(errs []error, failed []types.BatchResultErrorEntry, toError func(types.BatchResultErrorEntry) error) {
	for _, entry := range failed {
		i, err := strconv.Atoi(aws.ToString(entry.Id))
		if err == nil && i >= 0 && i < len(errs) {
			errs[i] = toError(entry)
		}
	}
}

// handleError is entryError for calls that name a receipt handle. Their other
// parameters are always valid, so what SQS calls invalid is the handle.
func handleError(entry types.BatchResultErrorEntry) error {
	code := aws.ToString(entry.Code)
	for _, lost := range []string{"MessageNotInflight", "ReceiptHandleIsInvalid", "InvalidParameterValue"} {
		if strings.HasSuffix(code, lost) {
			return fmt.Errorf("%w: %s", queue.ErrLeaseLost, code)
		}
	}
	return entryError(entry)
}
