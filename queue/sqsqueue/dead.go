package sqsqueue

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/pushhooks/webhook/queue"
)

// Bury sends a job that is given up to the dead-letter queue. Without one it is only counted. On a
// FIFO dead-letter queue each letter is a group of its own, because a listing sees only as much of
// a group as one receive call returns.
func (s *store) Bury(ctx context.Context, letter queue.DeadLetter) error {
	if s.deadURL == "" {
		s.dropped.Add(1)
		return nil
	}
	e := s.letter(letter)
	m := &transmission{encoded: &e}
	if strings.HasSuffix(s.deadURL, fifoSuffix) {
		id := token(letter.Job.ID)
		m.group, m.deduplication = &id, &id
	}
	if err := s.transmit(ctx, s.deadURL, []*transmission{m}); err != nil {
		return fmt.Errorf("sqsqueue: send to the dead-letter queue: %w", err)
	}
	return m.err
}

// letter is a dead letter as a message.
func (s *store) letter(letter queue.DeadLetter) encoded {
	e := encode(letter.Job, s.charset())
	e.set(attrReason, cut(basic.escape(letter.Reason), maxReason))
	e.set(attrAttempts, strconv.Itoa(letter.Attempts))
	e.setTime(attrAt, letter.At)
	e.setTime(attrFirst, letter.First)
	return e
}

// cut shortens an escaped text to at most n bytes, without splitting a character or an escape.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = strings.ToValidUTF8(s[:n], "")
	if i := strings.LastIndexByte(s, '%'); i >= 0 && i > len(s)-3 {
		s = s[:i]
	}
	return s
}
