package main

import (
	"bytes"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// eraseLine moves a terminal's cursor to the beginning of the line and erases the line.
const eraseLine = "\r\x1b[K"

// isTerminal reports whether people see what is written to w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalWidth returns how many columns a terminal has, or 0 if w is none. A terminal that does
// not say has 80.
func terminalWidth(w io.Writer) int {
	if !isTerminal(w) {
		return 0
	}
	if width, _, err := term.GetSize(int(w.(*os.File).Fd())); err == nil && width > 0 {
		return width
	}
	return 80
}

// screen writes to standard error, and on a terminal keeps a line of progress below everything
// else. It is safe for concurrent use.
type screen struct {
	to    io.Writer
	width int // of a terminal, else 0

	mu   sync.Mutex
	line string // the line of progress that is shown
	open bool   // what was written last has no line break at its end
}

func newScreen(to io.Writer) *screen { return &screen{to: to, width: terminalWidth(to)} }

// Write writes above the line of progress.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.width == 0 {
		return s.to.Write(p)
	}
	s.erase()
	n, err := s.to.Write(p)
	s.open = !bytes.HasSuffix(p, []byte("\n"))
	s.draw()
	return n, err
}

// progress shows a line of progress in place of the last one. An empty text shows none.
func (s *screen) progress(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.width == 0 {
		return
	}
	s.erase()
	s.line = shorten(text, s.width-1) // a full line would wrap
	s.draw()
}

func (s *screen) erase() {
	if s.line != "" && !s.open {
		_, _ = io.WriteString(s.to, eraseLine)
	}
}

func (s *screen) draw() {
	if s.line != "" && !s.open {
		_, _ = io.WriteString(s.to, s.line)
	}
}
