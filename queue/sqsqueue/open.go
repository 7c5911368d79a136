package sqsqueue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/pushhooks/webhook/internal/urltext"
)

const (
	// maxBytes is SQS's limit for a message and for a batch. A queue may have a lower
	// one for its messages.
	maxBytes = 1 << 20

	// minMessage is the smallest limit for a message that a queue may have.
	minMessage = 8 << 10

	// deadRoom is kept free in every message for what a dead letter adds to it.
	deadRoom  = 2048
	maxReason = 1024

	// A queue that New makes moves a job to its dead-letter queue by itself after so many receives:
	// more than a job has in an hour, so it catches jobs whose workers die. Dead letters are kept
	// for 7 days.
	createdMaxReceives = 100
	createdDeadSeconds = 7 * 24 * 3600
)

// resolved is what New finds out about a queue.
type resolved struct {
	url     string
	deadURL string
	maxSize int
}

// New opens the queue that opts name. It asks SQS for the queue's attributes, and so
// fails where the queue does not exist, may not be used or does not fit opts.
func New(ctx context.Context, client Client, opts Options) (*Queue, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return open(ctx, client, opts)
}

func open(ctx context.Context, client Client, opts Options) (*Queue, error) {
	o := opener{client: client, opts: opts}
	r, err := o.resolve(ctx)
	if err != nil {
		return nil, err
	}
	return newQueue(client, opts, r), nil
}

// opener finds or makes the queue that its options name.
type opener struct {
	client Client
	opts   Options
}

func (o opener) resolve(ctx context.Context) (resolved, error) {
	url, attrs, err := o.find(ctx)
	if missing(err) && o.opts.Create {
		if url, err = o.create(ctx); err == nil {
			attrs, err = o.attributes(ctx, url)
		}
	}
	if err != nil {
		return resolved{}, fmt.Errorf("sqsqueue: open the queue %s: %w", o.describe(), err)
	}
	r := resolved{url: url, maxSize: maxMessage(attrs)}
	if r.deadURL, err = o.deadLetterURL(ctx, attrs); err != nil {
		return r, err
	}
	if r.deadURL == "" {
		return r, o.checkSize(r)
	}
	dead, err := o.attributes(ctx, r.deadURL)
	if err != nil {
		return resolved{}, fmt.Errorf("sqsqueue: open the dead-letter queue %s: %w", shown(r.deadURL), err)
	}
	r.maxSize = min(r.maxSize, maxMessage(dead))
	return r, o.checkSize(r)
}

// checkSize returns an error if messages may be so small that no job is sure to fit.
func (o opener) checkSize(r resolved) error {
	if r.maxSize >= minMessage {
		return nil
	}
	return fmt.Errorf("sqsqueue: MaximumMessageSize of %s or of its dead-letter queue is %d: it must be at least %d",
		o.describe(), r.maxSize, minMessage)
}

// find returns the URL and the attributes of a queue that exists.
func (o opener) find(ctx context.Context) (url string, attrs map[string]string, err error) {
	switch {
	case o.opts.QueueURL != "":
		url = o.opts.QueueURL
	case o.opts.QueueURLPrefix != "":
		url = strings.TrimSuffix(o.opts.QueueURLPrefix, "/") + "/" + o.opts.queueName("")
	default:
		if url, err = o.urlOf(ctx, o.opts.queueName(""), ""); err != nil {
			return "", nil, err
		}
	}
	attrs, err = o.attributes(ctx, url)
	return url, attrs, err
}

func (o opener) describe() string {
	if o.opts.QueueURL != "" {
		return shown(o.opts.QueueURL)
	}
	return strconv.Quote(o.opts.queueName(""))
}

// shown returns what may be shown of a queue's URL: scheme, host and path, which is an account and
// a name.
func shown(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || strings.Contains(u.Path, "@") {
		return urltext.Redacted
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// create makes the queue and, unless there is one, its dead-letter queue.
func (o opener) create(ctx context.Context) (string, error) {
	attrs := map[string]string{
		string(types.QueueAttributeNameVisibilityTimeout): strconv.Itoa(int(seconds(o.opts.VisibilityTimeout))),
	}
	if o.opts.DeadLetterQueueURL == "" {
		policy, err := o.createDead(ctx)
		if err != nil {
			return "", err
		}
		attrs[string(types.QueueAttributeNameRedrivePolicy)] = policy
	}
	return o.createQueue(ctx, o.opts.queueName(""), attrs)
}

// createDead makes the dead-letter queue and returns the redrive policy that names it.
func (o opener) createDead(ctx context.Context) (string, error) {
	url, err := o.createQueue(ctx, o.opts.queueName(deadSuffix), map[string]string{
		string(types.QueueAttributeNameMessageRetentionPeriod): strconv.Itoa(createdDeadSeconds),
	})
	if err != nil {
		return "", fmt.Errorf("create its dead-letter queue: %w", err)
	}
	attrs, err := o.attributes(ctx, url)
	if err != nil {
		return "", fmt.Errorf("read its dead-letter queue: %w", err)
	}
	policy, err := json.Marshal(redrivePolicy{
		Target:      attrs[string(types.QueueAttributeNameQueueArn)],
		MaxReceives: createdMaxReceives,
	})
	return string(policy), err
}

func (o opener) createQueue(ctx context.Context, name string, attrs map[string]string) (string, error) {
	if o.opts.FIFO {
		attrs[string(types.QueueAttributeNameFifoQueue)] = "true"
	}
	out, err := o.client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: attrs})
	if err == nil {
		return aws.ToString(out.QueueUrl), nil
	}
	var exists *types.QueueNameExists // another node made it, with other settings
	if errors.As(err, &exists) {
		return o.urlOf(ctx, name, "")
	}
	return "", err
}

func (o opener) urlOf(ctx context.Context, name, account string) (string, error) {
	in := &sqs.GetQueueUrlInput{QueueName: &name}
	if account != "" {
		in.QueueOwnerAWSAccountId = &account
	}
	out, err := o.client.GetQueueUrl(ctx, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.QueueUrl), nil
}

func (o opener) attributes(ctx context.Context, url string) (map[string]string, error) {
	out, err := o.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       &url,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

// redrivePolicy is the attribute by which SQS itself moves messages to a dead-letter queue.
type redrivePolicy struct {
	Target      string `json:"deadLetterTargetArn"`
	MaxReceives int    `json:"maxReceiveCount"`
}

// deadLetterURL is where jobs go that are given up: the option's URL or the target of
// the redrive policy, or "".
func (o opener) deadLetterURL(ctx context.Context, attrs map[string]string) (string, error) {
	raw := attrs[string(types.QueueAttributeNameRedrivePolicy)]
	if o.opts.DeadLetterQueueURL != "" || raw == "" {
		return o.opts.DeadLetterQueueURL, nil
	}
	var policy struct {
		Target string `json:"deadLetterTargetArn"` // the count may be a string
	}
	if err := json.Unmarshal([]byte(raw), &policy); err != nil {
		return "", fmt.Errorf("sqsqueue: the redrive policy of %s: %w", o.describe(), err)
	}
	parts := strings.Split(policy.Target, ":") // arn:aws:sqs:region:account:name
	if len(parts) != 6 {
		return "", fmt.Errorf("sqsqueue: the redrive policy of %s names %q, which is not a queue's ARN", o.describe(), policy.Target)
	}
	url, err := o.urlOf(ctx, parts[5], parts[4])
	if err != nil {
		return "", fmt.Errorf("sqsqueue: find the queue %q of the redrive policy, or set DeadLetterQueueURL: %w", policy.Target, err)
	}
	return url, nil
}

// missing reports whether an error says that a queue does not exist, in the words of SQS or of the
// older protocol, which emulators speak.
func missing(err error) bool {
	var gone *types.QueueDoesNotExist
	var api smithy.APIError
	var undecoded *smithy.DeserializationError
	switch {
	case errors.As(err, &gone):
		return true
	case errors.As(err, &api):
		code := lastWord(api.ErrorCode())
		return code == "NonExistentQueue" || code == "QueueDoesNotExist"
	case errors.As(err, &undecoded): // XML
		return bytes.Contains(undecoded.Snapshot, []byte("NonExistentQueue</Code>"))
	}
	return false
}

// maxMessage is how large a message of a queue with these attributes may be.
func maxMessage(attrs map[string]string) int {
	n, err := strconv.Atoi(attrs[string(types.QueueAttributeNameMaximumMessageSize)])
	if err != nil || n <= 0 {
		return maxBytes
	}
	return min(n, maxBytes)
}
