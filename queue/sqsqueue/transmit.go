package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pushhooks/webhook/queue"
)

// transmission is a message on its way to a queue.
type transmission struct {
	*encoded
	group, deduplication *string
	err                  error
}

// transmit sends at most ten messages and sets the error of each. It returns an error if it is
// unknown of some whether they were taken; those have an error too. A call that is refused for one
// of its messages is repeated with halves of them, and a message that is refused for its characters
// is escaped.
func (s *store) transmit(ctx context.Context, url string, batch []*transmission) error {
	for _, m := range batch {
		m.err = errNotSent
	}
	out, err := s.client.SendMessageBatch(ctx, sendInput(url, batch))
	switch {
	case err == nil:
		return s.settle(ctx, url, batch, out.Failed)
	case refusalOf(err) == noRefusal:
		return err
	case len(batch) == 1:
		return s.refused(ctx, url, batch, err)
	}
	half := len(batch) / 2
	if err := s.transmit(ctx, url, batch[:half]); err != nil {
		return err
	}
	return s.transmit(ctx, url, batch[half:])
}

// settle notes what became of each message of a call.
func (s *store) settle(ctx context.Context, url string, batch []*transmission, failed []types.BatchResultErrorEntry) error {
	errs := make([]error, len(batch))
	setFailed(errs, failed, entryError)
	var escaped []*transmission
	for i, m := range batch {
		switch m.err = errs[i]; {
		case refusalOf(m.err) == tooLarge:
			m.err = errTooLarge(m.encoded, m.err)
		case refusalOf(m.err) == characters && s.narrow(m):
			escaped = append(escaped, m)
		}
	}
	if len(escaped) == 0 {
		return nil
	}
	return s.transmit(ctx, url, escaped)
}

// refused notes why the only message of a call was refused.
func (s *store) refused(ctx context.Context, url string, batch []*transmission, err error) error {
	m := batch[0]
	switch {
	case refusalOf(err) == tooLarge:
		m.err = errTooLarge(m.encoded, err)
	case s.narrow(m):
		return s.transmit(ctx, url, batch)
	default:
		m.err = fmt.Errorf("sqsqueue: SQS refused the message: %w", err)
	}
	return nil
}

// narrow escapes the characters of a message that only SQS itself carries, here and from now on. It
// reports whether there are any.
func (s *store) narrow(m *transmission) bool {
	before := m.body
	m.setBody(basic)
	if m.body == before {
		return false
	}
	s.basicOnly.Store(true)
	return true
}

// charset is what the server carries, as far as is known.
func (s *store) charset() charset {
	if s.basicOnly.Load() {
		return basic
	}
	return full
}

func sendInput(url string, batch []*transmission) *sqs.SendMessageBatchInput {
	in := &sqs.SendMessageBatchInput{QueueUrl: &url}
	for i, m := range batch {
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{
			Id: entryID(i), MessageBody: &m.body, MessageAttributes: m.attrs,
			MessageGroupId: m.group, MessageDeduplicationId: m.deduplication,
		})
	}
	return in
}

// refusal is what a server refuses about a message.
type refusal int

const (
	noRefusal  refusal = iota // something else
	tooLarge                  // its size, or that of the call
	characters                // its text
)

// refusalOf returns what an error of a call or of an entry refuses.
func refusalOf(err error) refusal {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() == http.StatusRequestEntityTooLarge {
		return tooLarge // by a proxy
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return noRefusal
	}
	switch code := lastWord(api.ErrorCode()); {
	case code == "BatchRequestTooLong", code == "MessageTooLong":
		return tooLarge
	case code == "InvalidParameterValue" && strings.Contains(api.ErrorMessage(), "must be shorter than"):
		return tooLarge
	case code == "InvalidMessageContents":
		return characters
	}
	return noRefusal
}

// lastWord returns an error code without the prefix that the older protocol has.
func lastWord(code string) string { return code[strings.LastIndexByte(code, '.')+1:] }

// errTooLarge is why a message that the server refused can never be sent.
func errTooLarge(e *encoded, err error) error {
	return fmt.Errorf("sqsqueue: job %s has %d bytes as a message: %w: %w", e.job.ID, e.size, queue.ErrTooLarge, err)
}

// entryError is the error of an entry of a batch.
func entryError(entry types.BatchResultErrorEntry) error {
	return fmt.Errorf("sqsqueue: SQS refused the message: %w", &smithy.GenericAPIError{
		Code: aws.ToString(entry.Code), Message: aws.ToString(entry.Message),
	})
}
