package redisqueue

import (
	"strconv"
	"strings"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// numbers reads a script's answer that is a list of integers.
func numbers(answer any) []int {
	list, _ := answer.([]any)
	out := make([]int, len(list))
	for i, v := range list {
		out[i] = number(v)
	}
	return out
}

// number reads an integer, which large ones are as text.
func number(v any) int {
	switch v := v.(type) {
	case int64:
		return int(v)
	case string:
		n, _ := strconv.Atoi(v)
		return n
	}
	return 0
}

// texts reads a script's answer that is a list of strings.
func texts(answer any) []string {
	list, _ := answer.([]any)
	out := make([]string, len(list))
	for i, v := range list {
		out[i], _ = v.(string)
	}
	return out
}

// moment reads a time in microseconds; 0 is the zero time.
func moment(text string) time.Time {
	us, _ := strconv.ParseInt(text, 10, 64)
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}

// micros writes a time as moment reads it.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// cut returns the next part of a text that is separated by colons.
func cut(text *string) string {
	part, rest, _ := strings.Cut(*text, ":")
	*text = rest
	return part
}

// readJob makes a job of what Redis has of it. lane is its laneKey.
func readJob(id, lane, data string) queue.Job {
	kind := lane[:min(1, len(lane))]
	return queue.Job{ID: id, Lane: lane[len(kind):], Ordered: kind == "o", Data: []byte(data)}
}

// readTries takes "attempts:first" off a text, which may be empty.
func readTries(text *string) (attempts int, first time.Time) {
	return number(cut(text)), moment(cut(text))
}

// readLetter reads a dead letter. Its meta is "attempts:first:reason", its value "enqueued:length of lane:lane data".
func readLetter(at, id, meta, value string) queue.DeadLetter {
	cut(&value) // when it was enqueued, which matters in Redis only
	length := min(number(cut(&value)), len(value))
	d := queue.DeadLetter{Job: readJob(id, value[:length], value[length:]), At: moment(at)}
	d.Attempts, d.First = readTries(&meta)
	d.Reason = meta
	return d
}

// newReceipt makes a receipt: "token:began:size:kind". The take script has stored its first half.
func newReceipt(token, began string, j *queue.Job) string {
	kind := laneKey("", j.Ordered)
	return token + ":" + began + ":" + strconv.Itoa(len(j.Data)) + ":" + kind
}

// receipt is what scripts are told besides the receipt itself.
type receipt struct {
	size    int
	ordered bool
}

func readReceipt(text string) receipt {
	cut(&text) // token
	cut(&text) // began
	return receipt{size: number(cut(&text)), ordered: text == "o"}
}

// lane returns the name in Redis of a lease's lane.
func (r receipt) lane(name string) string { return laneKey(name, r.ordered) }
