package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// line is one line of the input, without its end, or why it could not be read.
type line struct {
	number int
	text   []byte
	err    error
}

// maxLine bounds a line; no valid event is longer, however it is escaped.
const maxLine = 2 << 20

// readLines sends the lines that are not empty, and closes the channel at the input's end.
func readLines(ctx context.Context, r io.Reader, to chan<- line) {
	defer close(to)
	in := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		l, err := readLine(in)
		l.number = n
		if len(l.text) > 0 || l.err != nil {
			select {
			case to <- l:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// readLine reads to the end of a line, and keeps what fits maxLine. The error is the input's end.
func readLine(in *bufio.Reader) (line, error) {
	var l line
	for {
		part, err := in.ReadSlice('\n')
		if len(l.text)+len(part) > maxLine {
			l.err = fmt.Errorf("longer than %d bytes", maxLine)
			l.text = nil
		} else if l.err == nil {
			l.text = append(l.text, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			l.err = err
		}
		l.text = bytes.TrimSpace(l.text)
		return l, err
	}
}
