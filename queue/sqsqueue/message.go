package sqsqueue

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pushhooks/webhook/queue"
)

// The attributes of a message. Its body is the job's Data.
const (
	attrID       = "job_id"
	attrLane     = "lane"     // escaped
	attrOrdered  = "ordered"  // "true", or absent
	attrEncoding = "encoding" // absent when the body is Data as it is

	attrReason   = "reason" // these four on dead letters only; escaped
	attrAttempts = "attempts"
	attrFirst    = "first_at" // RFC 3339, like the next
	attrAt       = "dead_at"

	encodingPercent = "percent"
	encodingEmpty   = "empty" // SQS takes no empty body
	emptyBody       = "(empty)"

	// foreignLane is the lane of messages that this package did not send. Their
	// job id is foreignPrefix and SQS's message id.
	foreignLane   = "sqs:foreign"
	foreignPrefix = "sqs-"

	maxToken = 128 // of a group or deduplication id
	maxLane  = 512
)

// encoded is a job in the form in which SQS carries it.
type encoded struct {
	job   queue.Job
	body  string
	attrs map[string]types.MessageAttributeValue
	size  int // as SQS counts it
}

func encode(job queue.Job) encoded {
	e := encoded{job: job, attrs: make(map[string]types.MessageAttributeValue, 4)}
	var encoding string
	e.body, encoding = encodeBody(string(job.Data))
	e.size = len(e.body)
	e.set(attrID, job.ID)
	e.set(attrLane, escape(job.Lane))
	if job.Ordered {
		e.set(attrOrdered, "true")
	}
	if encoding != "" {
		e.set(attrEncoding, encoding)
	}
	return e
}

func encodeBody(data string) (body, encoding string) {
	switch {
	case data == "":
		return emptyBody, encodingEmpty
	case carries(data):
		return data, ""
	}
	return escape(data), encodingPercent
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

// message is one SQS message that this process has received: parked, or leased by
// whoever holds the receipt.
type message struct {
	job    queue.Job
	id     string // SQS's id of the message
	handle string // SQS's receipt handle, the newest
	sent   time.Time

	receives int // as SQS counts them
	attempts int
	first    time.Time

	seq     uint64    // order of arrival in this process
	receipt string    // of the current lease; "" while parked
	began   time.Time // when the current lease began
	ready   time.Time // a parked message is not handed out before this
	until   time.Time // the end of its visibility timeout, on the early side
	limit   time.Time // SQS extends no further

	leaving bool   // it is being left to SQS, which may send it again before we know
	buried  bool   // a copy of it is in the dead-letter queue
	split   *split // what it is a part of, or nil
}

// received makes a message of what SQS sent at the time from, invisible for lease.
func received(raw types.Message, from time.Time, lease time.Duration) *message {
	job, ok := decode(raw)
	if !ok {
		job = foreign(raw)
	}
	m := &message{
		job:    job,
		id:     aws.ToString(raw.MessageId),
		handle: aws.ToString(raw.ReceiptHandle),
		sent:   millis(raw.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)]),
		until:  from.Add(lease),
		limit:  from.Add(maxVisibility),

		receives: receiveCount(raw),
	}
	if m.receives > 1 {
		m.attempts = m.receives - 1
		m.first = millis(raw.Attributes[string(types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp)])
	}
	return m
}

// decode is the reverse of encode; not ok means that the message is not one of ours.
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

// foreign wraps a message of somebody else's, so that the caller can dead-letter it.
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

func receiveCount(raw types.Message) int {
	n, err := strconv.Atoi(raw.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
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

func (m *message) lease() queue.Lease {
	return queue.Lease{Job: m.job, Receipt: m.receipt, Attempts: m.attempts, First: m.first, Until: m.until}
}
