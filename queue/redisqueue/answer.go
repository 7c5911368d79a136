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

// lease reads a leased job from what the take script returns of it.
func lease(id, meta, data, receipt string, until time.Time) queue.Lease {
	attempts, first := cut(&meta), cut(&meta)
	cut(&meta) // when it was enqueued, which stays in Redis
	return queue.Lease{
		Job:      job(id, meta, data),
		Receipt:  receipt,
		Attempts: number(attempts),
		First:    moment(first),
		Until:    until,
	}
}

// job reads a job whose lane's name has its kind before it.
func job(id, lane, data string) queue.Job {
	kind, name := lane[:min(1, len(lane))], lane[min(1, len(lane)):]
	return queue.Job{ID: id, Lane: name, Ordered: kind == "o", Data: []byte(data)}
}

// letter reads a dead letter from its meta.
func letter(at, id, meta, data string) queue.DeadLetter {
	attempts, first, length := cut(&meta), cut(&meta), number(cut(&meta))
	length = min(length, len(meta))
	return queue.DeadLetter{
		Job:      job(id, meta[length:], data),
		Reason:   meta[:length],
		Attempts: number(attempts),
		First:    moment(first),
		At:       moment(at),
	}
}
