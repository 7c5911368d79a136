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

// number reads an integer.
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

// list reads a part of a script's answer that is a list.
func list(answer any) []any {
	out, _ := answer.([]any)
	return out
}

// micros reads microseconds.
func micros(v any) time.Duration { return time.Duration(number(v)) * time.Microsecond }

// local returns the time by this process's clock of a time by Redis's, in microseconds; 0 is the
// zero time.
func (p *partition) local(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us - p.skew.Load())
}

// cut returns the next part of a text that is separated by colons.
func cut(text *string) string {
	part, rest, _ := strings.Cut(*text, ":")
	*text = rest
	return part
}

// readLetter reads a dead letter, as lua/letters.lua describes it.
func readLetter(p *partition, at any, id, value string) queue.DeadLetter {
	d := queue.DeadLetter{At: p.local(int64(number(at)))}
	d.Attempts, d.First = number(cut(&value)), p.local(int64(number(cut(&value))))
	d.ID, d.Ordered = id, cut(&value) == "1"
	reason, lane := number(cut(&value)), number(cut(&value))
	reason = min(reason, len(value))
	lane = min(lane, len(value)-reason)
	d.Reason, d.Lane, d.Data = value[:reason], value[reason:reason+lane], []byte(value[reason+lane:])
	return d
}

// The parts of a ticket and of a receipt, as lua/ticket.lua describes them.
const (
	tokenSize    = 16
	numberSize   = 16 // a time
	receiptHead  = 1 + tokenSize + numberSize
	ticketFlag   = numberSize + 9
	freshTicket  = ticketFlag + 1
	workedTicket = freshTicket + 5 + numberSize
)

// ticketTail is what the end of a new job's ticket is: all but the time, which Redis adds.
func ticketTail(j *queue.Job) string { return sizeText(len(j.Data)) + "-" + j.ID }

func sizeText(n int) string {
	text := strconv.Itoa(n)
	return "000000000"[min(9, len(text)):] + text
}

// ticket is what a job's ticket says.
type ticket struct {
	head     string // the ticket without the ID
	id       string
	enqueued int64 // by Redis's clock, in microseconds
	attempts int
	first    int64
}

func readTicket(text string) ticket {
	if len(text) < freshTicket {
		return ticket{}
	}
	t := ticket{enqueued: int64(number(text[:numberSize]))}
	if text[ticketFlag] == '-' || len(text) < workedTicket {
		t.head, t.id = text[:freshTicket], text[freshTicket:]
		return t
	}
	t.head, t.id = text[:workedTicket], text[workedTicket:]
	t.attempts = number(text[freshTicket : freshTicket+5])
	t.first = int64(number(text[freshTicket+5 : workedTicket]))
	return t
}

// timer returns the name of a lease in Redis. What is not a receipt names none.
func timer(l *queue.Lease) string {
	return l.Receipt + l.ID + " " + l.Lane
}

// began returns when a lease began, by Redis's clock in microseconds, or 0 if it has no receipt of
// ours.
func began(l *queue.Lease) int64 {
	if len(l.Receipt) < receiptHead {
		return 0
	}
	return int64(number(l.Receipt[1+tokenSize : receiptHead]))
}

// timeText writes a time, in microseconds, as it stands in tickets.
func timeText(us int64) string {
	text := strconv.FormatInt(us, 10)
	return "0000000000000000"[min(numberSize, len(text)):] + text
}

// age returns how old a job is, by Redis's clock, which may have been set back.
func age(enqueued, now int64) time.Duration {
	return max(0, time.Duration(now-enqueued)*time.Microsecond)
}

// sizeOf returns the size of a lease's data, which its receipt tells.
func sizeOf(l *queue.Lease) int {
	if len(l.Receipt) < receiptHead+ticketFlag {
		return 0
	}
	return number(strings.TrimLeft(l.Receipt[receiptHead+numberSize:receiptHead+ticketFlag], "0"))
}
