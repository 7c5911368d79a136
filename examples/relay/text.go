package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/pushhooks/webhook/internal/strict"
)

// textReader reads UTF-8 text: it skips a byte order mark at the beginning, and refuses UTF-16 by
// name.
type textReader struct {
	from  io.Reader
	begun bool
	head  []byte // what was read to look at the beginning, and is not given out yet
	err   error
}

// Read reads what comes after the byte order mark.
func (r *textReader) Read(p []byte) (int, error) {
	if !r.begun {
		r.begun = true
		r.begin()
	}
	if n := copy(p, r.head); n > 0 || len(p) == 0 {
		r.head = r.head[n:]
		return n, nil
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.from.Read(p)
}

// begin looks at the first bytes. No event is shorter, so it waits for nothing but those of the
// first line.
func (r *textReader) begin() {
	r.head = make([]byte, 3)
	n, err := io.ReadFull(r.from, r.head)
	r.head, r.err = r.head[:n], err
	if errors.Is(err, io.ErrUnexpectedEOF) {
		r.err = io.EOF
	}
	if name := strict.WideEncoding(r.head); name != "" {
		r.head, r.err = nil, fmt.Errorf("the input is encoded as %s; it must be UTF-8", name)
	}
	r.head = bytes.TrimPrefix(r.head, []byte("\ufeff"))
}
