package sqsqueue

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// fake is a small SQS for virtual time, with what the real servers of tests don't show: several
// messages of a FIFO group in one receive call, the limit of 12 hours, and failures on demand.
type fake struct {
	mu     sync.Mutex
	queues map[string]*fakeQueue
	count  int
	calls  map[string]int // by method
	sent   []*sqs.SendMessageBatchInput

	changed chan struct{} // closed and replaced by every change

	// fail returns the error of a call, or of the entry with this id in it. It may be nil.
	fail func(method, entry string) error
	lose bool // answers are lost: calls work and fail
}

type fakeQueue struct {
	fifo     bool
	attrs    map[string]string
	messages []*fakeMessage
	dedup    map[string]time.Time
}

type fakeMessage struct {
	types.Message
	group    string
	received int
	first    time.Time // of its receives
	last     time.Time
	visible  time.Time
	handle   string
}

const (
	fakeURL     = "fake/jobs"
	fakeFIFOURL = "fake/jobs.fifo"
	fakeDeadURL = "fake/dead"
)

func newFake() *fake {
	f := &fake{queues: make(map[string]*fakeQueue), calls: make(map[string]int), changed: make(chan struct{})}
	for _, url := range []string{fakeURL, fakeFIFOURL, fakeDeadURL} {
		f.queues[url] = &fakeQueue{fifo: strings.HasSuffix(url, fifoSuffix), attrs: map[string]string{}, dedup: map[string]time.Time{}}
	}
	return f
}

// openFake opens a queue with the defaults: leases of 30 s.
func openFake(t *testing.T, f *fake, opts Options) *Queue {
	t.Helper()
	if opts.QueueURL == "" {
		opts.QueueURL = fakeURL
	}
	opts.FIFO = strings.HasSuffix(opts.QueueURL, fifoSuffix)
	q, err := New(t.Context(), f, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// begin counts a call and returns its error.
func (f *fake) begin(method string) error {
	f.calls[method]++
	if f.fail == nil {
		return nil
	}
	return f.fail(method, "")
}

// entry returns the error of a batch's entry.
func (f *fake) entry(method string, id *string, key string) *types.BatchResultErrorEntry {
	if f.fail == nil {
		return nil
	}
	if err := f.fail(method, key); err != nil {
		return &types.BatchResultErrorEntry{Id: id, Code: aws.String("InternalError"), Message: aws.String(err.Error())}
	}
	return nil
}

func (f *fake) lost() error {
	if f.lose {
		return fmt.Errorf("the answer was lost")
	}
	return nil
}

func (f *fake) GetQueueUrl(_ context.Context, in *sqs.GetQueueUrlInput, _ ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("GetQueueUrl"); err != nil {
		return nil, err
	}
	url := "fake/" + *in.QueueName
	if f.queues[url] == nil {
		return nil, &types.QueueDoesNotExist{}
	}
	return &sqs.GetQueueUrlOutput{QueueUrl: &url}, nil
}

func (f *fake) GetQueueAttributes(_ context.Context, in *sqs.GetQueueAttributesInput, _ ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("GetQueueAttributes"); err != nil {
		return nil, err
	}
	q := f.queues[*in.QueueUrl]
	if q == nil {
		return nil, &types.QueueDoesNotExist{}
	}
	return &sqs.GetQueueAttributesOutput{Attributes: q.attrs}, nil
}

func (f *fake) CreateQueue(context.Context, *sqs.CreateQueueInput, ...func(*sqs.Options)) (*sqs.CreateQueueOutput, error) {
	return nil, fmt.Errorf("not allowed")
}

func (f *fake) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("SendMessageBatch"); err != nil {
		return nil, err
	}
	q := f.queues[*in.QueueUrl]
	out := &sqs.SendMessageBatchOutput{}
	f.sent = append(f.sent, in)
	for _, e := range in.Entries {
		if failed := f.entry("SendMessageBatch", e.Id, aws.ToString(e.MessageAttributes[attrID].StringValue)); failed != nil {
			out.Failed = append(out.Failed, *failed)
			continue
		}
		f.put(q, e)
	}
	return out, f.lost()
}

// entry is the message in a batch.
func (e *encoded) entry() types.SendMessageBatchRequestEntry {
	return sendInput("", []*transmission{{encoded: e}}).Entries[0]
}

func (f *fake) put(q *fakeQueue, e types.SendMessageBatchRequestEntry) {
	if q.fifo {
		if at, known := q.dedup[*e.MessageDeduplicationId]; known && time.Since(at) < 5*time.Minute {
			return
		}
		q.dedup[*e.MessageDeduplicationId] = time.Now()
	}
	f.count++
	defer f.change()
	q.messages = append(q.messages, &fakeMessage{
		Message: types.Message{
			MessageId: aws.String("m" + strconv.Itoa(f.count)), Body: e.MessageBody, MessageAttributes: e.MessageAttributes,
			Attributes: map[string]string{"SentTimestamp": strconv.FormatInt(time.Now().UnixMilli(), 10)},
		},
		group: aws.ToString(e.MessageGroupId),
	})
}

// ReceiveMessage looks when something has changed or becomes visible.
func (f *fake) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	end := time.Now().Add(time.Duration(in.WaitTimeSeconds) * time.Second)
	f.mu.Lock()
	err := f.begin("ReceiveMessage")
	f.mu.Unlock()
	for err == nil {
		f.mu.Lock()
		q := f.queues[*in.QueueUrl]
		messages := f.take(q, int(in.MaxNumberOfMessages), time.Duration(in.VisibilityTimeout)*time.Second)
		next, changed := q.next(end), f.changed
		f.mu.Unlock()
		if len(messages) > 0 || !time.Now().Before(end) {
			return &sqs.ReceiveMessageOutput{Messages: messages}, nil
		}
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-changed:
		case <-time.After(time.Until(next)):
		}
	}
	return nil, err
}

// next is when the next message becomes visible, or end if that is earlier.
func (q *fakeQueue) next(end time.Time) time.Time {
	for _, m := range q.messages {
		if m.visible.After(time.Now()) && m.visible.Before(end) {
			end = m.visible
		}
	}
	return end
}

// change wakes calls that wait for messages.
func (f *fake) change() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) take(q *fakeQueue, n int, timeout time.Duration) (out []types.Message) {
	now := time.Now()
	locked := make(map[string]bool)
	for _, m := range q.messages {
		locked[m.group] = locked[m.group] || q.fifo && m.visible.After(now)
	}
	for _, m := range q.messages {
		if len(out) == n || m.visible.After(now) || locked[m.group] {
			continue
		}
		f.count++
		m.received++
		m.handle = "h" + strconv.Itoa(f.count)
		m.visible, m.last = now.Add(timeout), now
		if m.first.IsZero() {
			m.first = now
		}
		out = append(out, m.answer())
	}
	return out
}

func (m *fakeMessage) answer() types.Message {
	raw := m.Message
	raw.ReceiptHandle = aws.String(m.handle)
	raw.Attributes = map[string]string{
		"ApproximateReceiveCount":          strconv.Itoa(m.received),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.first.UnixMilli(), 10),
		"SentTimestamp":                    m.Attributes["SentTimestamp"],
	}
	return raw
}

func (f *fake) DeleteMessageBatch(_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("DeleteMessageBatch"); err != nil {
		return nil, err
	}
	defer f.change()
	out := &sqs.DeleteMessageBatchOutput{}
	q := f.queues[*in.QueueUrl]
	for _, e := range in.Entries {
		m := q.byHandle(*e.ReceiptHandle)
		if m == nil {
			continue // SQS says that it deleted it
		}
		if failed := f.entry("DeleteMessageBatch", e.Id, m.job()); failed != nil {
			out.Failed = append(out.Failed, *failed)
			continue
		}
		q.messages = slices.DeleteFunc(q.messages, func(other *fakeMessage) bool { return other == m })
	}
	return out, f.lost()
}

func (f *fake) ChangeMessageVisibilityBatch(_ context.Context, in *sqs.ChangeMessageVisibilityBatchInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("ChangeMessageVisibilityBatch"); err != nil {
		return nil, err
	}
	defer f.change()
	out := &sqs.ChangeMessageVisibilityBatchOutput{}
	now := time.Now()
	for _, e := range in.Entries {
		m := f.queues[*in.QueueUrl].byHandle(*e.ReceiptHandle)
		visible := now.Add(time.Duration(e.VisibilityTimeout) * time.Second)
		switch {
		case m == nil || !m.visible.After(now):
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String("MessageNotInflight")})
		case visible.Sub(m.last) > maxVisibility:
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String("InvalidParameterValue")})
		default:
			if failed := f.entry("ChangeMessageVisibilityBatch", e.Id, m.job()); failed != nil {
				out.Failed = append(out.Failed, *failed)
				continue
			}
			m.visible = visible
		}
	}
	return out, f.lost()
}

func (q *fakeQueue) byHandle(handle string) *fakeMessage {
	for _, m := range q.messages {
		if m.handle == handle {
			return m
		}
	}
	return nil
}

func (m *fakeMessage) job() string { return aws.ToString(m.MessageAttributes[attrID].StringValue) }

// see runs look with the messages of a queue, in the order in which they were sent.
func (f *fake) see(url string, look func([]*fakeMessage)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.change()
	look(slices.Clone(f.queues[url].messages))
}

// jobs lists the job ids of a queue.
func (f *fake) jobs(url string) (ids []string) {
	f.see(url, func(messages []*fakeMessage) {
		for _, m := range messages {
			ids = append(ids, m.job())
		}
	})
	return ids
}

// setFail changes what fails while the queue is in use.
func (f *fake) setFail(fail func(method, entry string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func (f *fake) called(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}
