package sqsqueue

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pushhooks/webhook/internal/flatqueue"
	"github.com/pushhooks/webhook/queue"
)

// The attributes of a message. Its body is the job's Data.
const (
	attrID       = "job_id"
	attrLane     = "lane"     // escaped
	attrOrdered  = "ordered"  // "true", or absent
	attrEncoding = "encoding" // absent when the body is Data as it is
	attrVersion  = "v"        // of this format

	// On parts of a job, and the first on dead letters too; RFC 3339.
	attrFirst    = "first_at"
	attrEnqueued = "enqueued_at"

	// On dead letters only.
	attrReason   = "reason" // escaped
	attrAttempts = "attempts"
	attrAt       = "dead_at"

	// version is the format of the messages that this package writes.
	version = 1

	encodingPercent = "percent"
	encodingEmpty   = "empty" // SQS takes no empty body
	emptyBody       = "(empty)"

	// foreignLane is the lane of messages that have our attributes and cannot be read, which the
	// caller dead-letters. Their job id is foreignPrefix and SQS's message id.
	foreignLane   = "sqs:foreign"
	foreignPrefix = "sqs-"

	maxToken = 128 // of a group or deduplication id
	maxLane  = 512

	// attributeRoom is what the attributes of a message take at most: a lane whose bytes are all
	// escaped, an ID, two times, and the attributes' names and types.
	attributeRoom = 3*maxLane + maxToken + 384
)

// encoded is a job in the form in which SQS carries it.
type encoded struct {
	job   queue.Job
	body  string
	attrs map[string]types.MessageAttributeValue
	size  int // as SQS counts it
}

func encode(job queue.Job, c charset) encoded {
	e := encoded{job: job, attrs: make(map[string]types.MessageAttributeValue, 5)}
	e.set(attrVersion, strconv.Itoa(version))
	e.set(attrID, job.ID)
	e.set(attrLane, basic.escape(job.Lane))
	if job.Ordered {
		e.set(attrOrdered, "true")
	}
	e.setBody(c)
	return e
}

// setBody writes the body, of characters of c, and its encoding. It may be called again with a
// smaller set.
func (e *encoded) setBody(c charset) {
	e.size -= len(e.body)
	var encoding string
	e.body, encoding = encodeBody(string(e.job.Data), c)
	e.size += len(e.body)
	if _, written := e.attrs[attrEncoding]; !written && encoding != "" {
		e.set(attrEncoding, encoding)
	}
}

func encodeBody(data string, c charset) (body, encoding string) {
	switch {
	case data == "":
		return emptyBody, encodingEmpty
	case c.carriesAll(data):
		return data, ""
	}
	return c.escape(data), encodingPercent
}

// setTime sets an attribute unless the time is zero.
func (e *encoded) setTime(name string, t time.Time) {
	if !t.IsZero() {
		e.set(name, formatTime(t))
	}
}

func (e *encoded) set(name, value string) {
	e.attrs[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	e.size += len(name) + len("String") + len(value)
}

// token is s where SQS can carry it as a group or deduplication id, and a hash of s otherwise.
func token(s string) string {
	if s != "" && len(s) <= maxToken && printable(s) {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + hex.EncodeToString(sum[:])
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// received reads a message that SQS has sent. It returns an error if the message has our attributes
// and cannot be read.
func received(raw types.Message) (flatqueue.Message, error) {
	m := flatqueue.Message{
		MessageID:     aws.ToString(raw.MessageId),
		Handle:        aws.ToString(raw.ReceiptHandle),
		Sent:          millis(systemAttribute(raw, types.MessageSystemAttributeNameSentTimestamp)),
		Receives:      receiveCount(raw),
		FirstReceived: millis(systemAttribute(raw, types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp)),
	}
	m.Unreadable = checkFormat(raw)
	if m.Unreadable == nil {
		var ok bool
		if m.Job.Job, ok = decode(raw); !ok {
			return m, errUnreadable
		}
		m.First = parseTime(attribute(raw, attrFirst))
		m.Enqueued = parseTime(attribute(raw, attrEnqueued))
	}
	return m, nil
}

var (
	// errForeign is why a message that this package did not send is left alone.
	errForeign = errors.New("sqsqueue: it is of another application: it has no attribute " + attrID)

	// errUnreadable is why a message is a dead letter, or left alone where there is no queue for
	// those.
	errUnreadable = errors.New("sqsqueue: it has the attribute " + attrID + ", but cannot be read")
)

// checkFormat returns an error if a message has a newer format than this package reads, or is of
// another application. One without a version is of the first format, as it was before versions were
// written.
func checkFormat(raw types.Message) error {
	if attribute(raw, attrID) == "" {
		return errForeign
	}
	v := attribute(raw, attrVersion)
	if n, err := strconv.Atoi(v); v == "" || err == nil && n <= version {
		return nil
	}
	return fmt.Errorf("sqsqueue: it has format %q, and this version of the library reads up to %d", v, version)
}

// decode is the reverse of encode. It reports false for a message that cannot be read.
func decode(raw types.Message) (job queue.Job, ok bool) {
	lane, err := unescape(attribute(raw, attrLane))
	if err != nil || lane == "" || len(lane) > maxLane {
		return queue.Job{}, false
	}
	id := attribute(raw, attrID)
	if id == "" || len(id) > maxToken || !printable(id) {
		return queue.Job{}, false
	}
	data, ok := decodeBody(aws.ToString(raw.Body), attribute(raw, attrEncoding))
	ordered := attribute(raw, attrOrdered) == "true"
	return queue.Job{ID: id, Lane: lane, Ordered: ordered, Data: []byte(data)}, ok
}

func decodeBody(body, encoding string) (data string, ok bool) {
	switch encoding {
	case "":
		return body, true
	case encodingEmpty:
		return "", true
	case encodingPercent:
		data, err := unescape(body)
		return data, err == nil
	}
	return "", false
}

// foreign wraps a message that cannot be read, so that the caller can dead-letter it.
func foreign(raw types.Message) queue.Job {
	return queue.Job{
		ID:   token(foreignPrefix + aws.ToString(raw.MessageId)),
		Lane: foreignLane,
		Data: []byte(aws.ToString(raw.Body)),
	}
}

func attribute(raw types.Message, name string) string {
	return aws.ToString(raw.MessageAttributes[name].StringValue)
}

func systemAttribute(raw types.Message, name types.MessageSystemAttributeName) string {
	return raw.Attributes[string(name)]
}

func receiveCount(raw types.Message) int {
	n, err := strconv.Atoi(systemAttribute(raw, types.MessageSystemAttributeNameApproximateReceiveCount))
	if err != nil {
		return 1
	}
	return n
}

func millis(s string) time.Time {
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// parseTime returns the zero time for what it can't read.
func parseTime(s string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, s)
	return t
}
