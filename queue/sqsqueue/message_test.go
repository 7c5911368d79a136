package sqsqueue

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/pushhooks/webhook/queue"
)

func FuzzMessagesComeBackAsTheyWere(f *testing.F) {
	f.Add("id", "lane", "data", true)
	f.Add("~!", "app/ä \x00\uFFFF", "100%\U0001F4A5\x7f", false)
	f.Add("x", "%", "", false)
	f.Fuzz(func(t *testing.T, id, lane, data string, ordered bool) {
		if id == "" || len(id) > maxToken || !printable(id) || lane == "" || len(lane) > maxLane {
			return
		}
		job := queue.Job{ID: id, Lane: lane, Ordered: ordered, Data: []byte(data)}
		e := encode(job, full)
		for _, c := range []charset{full, basic} {
			e.setBody(c)
			if !c.carriesAll(e.body) || e.body == "" {
				t.Errorf("SQS does not take the body %q", e.body)
			}
			size := len(e.body)
			for name, a := range e.attrs {
				size += len(name) + len(*a.DataType) + len(*a.StringValue)
				if !basic.carriesAll(*a.StringValue) || *a.StringValue == "" {
					t.Errorf("SQS does not take the attribute %s %q", name, *a.StringValue)
				}
			}
			if e.size != size {
				t.Errorf("the size is %d; want %d", e.size, size)
			}
			got, ok := decode(types.Message{Body: &e.body, MessageAttributes: e.attrs})
			if !ok || got.ID != id || got.Lane != lane || got.Ordered != ordered || string(got.Data) != data {
				t.Errorf("got %+v, %v; want %+v", got, ok, job)
			}
		}
	})
}

func FuzzForeignMessagesAreRead(f *testing.F) {
	f.Add("body", "id", "lane", "percent")
	f.Add("%", "id", "%4", "percent")
	f.Fuzz(func(t *testing.T, body, id, lane, encoding string) {
		text := func(s string) types.MessageAttributeValue { return types.MessageAttributeValue{StringValue: &s} }
		raw := types.Message{MessageId: aws.String("m"), Body: &body, MessageAttributes: map[string]types.MessageAttributeValue{
			attrID: text(id), attrLane: text(lane), attrEncoding: text(encoding),
		}}
		job, ok := decode(raw)
		if !ok {
			job = foreign(raw)
		}
		if job.ID == "" || len(job.ID) > maxToken || !printable(job.ID) || job.Lane == "" || len(job.Lane) > maxLane {
			t.Errorf("the job %+v breaks the rules of queue.Job", job)
		}
	})
}

func TestTokensFitSQS(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, s := range []string{"", "app/hook", "app hook", "äpp", strings.Repeat("x", 128), strings.Repeat("x", 129), "a\x00"} {
		got := token(s)
		if got == "" || len(got) > maxToken || !printable(got) || seen[got] {
			t.Errorf("the token of %q is %q", s, got)
		}
		seen[got] = true
	}
}

func TestReasonsAreCutToFit(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		got, err := unescape(cut(basic.escape("%ä💥\uFFFE%%ääää💥"), n))
		if err != nil || len(got) > n {
			t.Errorf("cut to %d bytes: %q, %v", n, got, err)
		}
	}
}
