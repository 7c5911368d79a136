package outbound

import (
	"bytes"
	"strconv"
)

// maxHead bounds what is kept of an answer's head that arrives in pieces. net/http's own bound is
// lower in this module.
const maxHead = 64 << 10

// phase is where in an answer the next byte belongs.
type phase uint8

const (
	nothing    phase = iota // no answer is expected
	head                    // status line and headers, up to the empty line
	body                    // a body, or a chunk with its line end, of which left bytes are missing
	chunkSize               // the line before a chunk
	trailer                 // the lines after the last chunk
	untilClose              // a body that ends with the connection
	lost                    // the answer can't be followed
)

// answer follows an HTTP/1.1 answer byte by byte, only to know where it ends. net/http reads in
// blocks: what follows the answer would be in its buffer, and would be taken for the next answer or
// printed. Where the two may understand an answer differently, the phase becomes lost.
type answer struct {
	phase    phase
	chunked  bool
	later    bool   // there was an answer before, on the same connection
	bodiless bool   // the status permits no body,
	excess   bool   // which the answer announces nevertheless
	left     int64  // of the body or chunk
	kept     []byte // the beginning of a head or line
}

// expect begins a new answer.
func (a *answer) expect(later bool) { *a = answer{phase: head, later: later, kept: a.kept[:0]} }

// take returns how many bytes of p belong to the answer.
func (a *answer) take(p []byte) int {
	used := 0
	for used < len(p) && a.phase != nothing && a.phase != lost {
		used += a.step(p[used:])
	}
	return used
}

func (a *answer) step(p []byte) int {
	switch a.phase {
	case head:
		return a.takeHead(p)
	case body:
		n := min(int64(len(p)), a.left)
		a.left -= n
		if a.left == 0 {
			a.bodyEnded()
		}
		return int(n)
	case chunkSize, trailer:
		return a.takeLine(p)
	}
	return len(p)
}

func (a *answer) bodyEnded() {
	a.phase = nothing
	if a.chunked {
		a.phase = chunkSize
	}
}

func (a *answer) takeHead(p []byte) int {
	before := len(a.kept)
	text := p
	if before > 0 {
		a.kept = append(a.kept, p...)
		text = a.kept
	}
	if a.later && !beginsAnswer(text) {
		a.phase = lost
		return 0
	}
	end := headEnd(text, before-2)
	switch {
	case end >= 0:
		a.readHead(text[:end])
		a.kept = a.kept[:0]
		return end - before
	case len(text) > maxHead:
		a.phase = lost
	case before == 0:
		a.kept = append(a.kept, p...)
	}
	return len(p)
}

// beginsAnswer reports whether text, as far as it goes, can be the beginning of an answer.
func beginsAnswer(text []byte) bool {
	const magic = "HTTP/"
	n := min(len(text), len(magic))
	return string(text[:n]) == magic[:n]
}

// headEnd returns the index after the first empty line whose line end is at from or later, or -1.
func headEnd(text []byte, from int) int {
	for i := max(from, 0); ; i++ {
		next := bytes.IndexByte(text[i:], '\n')
		if next < 0 {
			return -1
		}
		i += next
		rest := text[i+1:]
		switch {
		case len(rest) >= 1 && rest[0] == '\n':
			return i + 2
		case len(rest) >= 2 && rest[0] == '\r' && rest[1] == '\n':
			return i + 3
		}
	}
}

// readHead decides what follows a head, as net/http decides it.
func (a *answer) readHead(text []byte) {
	line, headers, _ := bytes.Cut(text, []byte("\n"))
	proto, status, _ := bytes.Cut(line, []byte(" "))
	status = bytes.TrimLeft(status, " ")
	f := readFraming(headers)
	chunked := f.encoded && string(proto) >= "HTTP/1.1"
	a.later = true
	switch {
	case f.doubtful || len(status) < 3:
		a.phase = lost
	case string(status[:3]) == "101":
		a.phase = untilClose
	case status[0] == '1':
		a.phase = head
	case string(status[:3]) == "204" || string(status[:3]) == "304":
		a.phase, a.bodiless = nothing, true
		a.excess = f.length > 0 && string(status[:3]) == "204" || chunked
	case chunked:
		a.phase, a.chunked = chunkSize, true
	case f.length > 0:
		a.phase, a.left = body, f.length
	case f.length == 0:
		a.phase = nothing
	default:
		a.phase = untilClose
	}
}

// framing is what headers say about the body's end.
type framing struct {
	length   int64 // -1: not given
	encoded  bool  // Transfer-Encoding: chunked
	doubtful bool
}

func readFraming(headers []byte) framing {
	f := framing{length: -1}
	concerns := false // the line before is about the body's end
	for len(headers) > 0 {
		line, rest, _ := bytes.Cut(headers, []byte("\n"))
		headers = rest
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') { // the line before goes on
			f.doubtful = f.doubtful || concerns
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		concerns = f.read(name, bytes.TrimSpace(value))
	}
	return f
}

// read reports whether a header is about the body's end.
func (f *framing) read(name, value []byte) bool {
	switch {
	case len(name) == len("Content-Length") && bytes.EqualFold(name, []byte("Content-Length")):
		n, err := strconv.ParseUint(string(value), 10, 62)
		f.doubtful = f.doubtful || err != nil || f.length >= 0 && f.length != int64(n)
		f.length = int64(n)
		return true
	case len(name) == len("Transfer-Encoding") && bytes.EqualFold(name, []byte("Transfer-Encoding")):
		f.doubtful = f.doubtful || f.encoded || !bytes.EqualFold(value, []byte("chunked"))
		f.encoded = true
		return true
	}
	return false
}

// takeLine takes a line of the chunked encoding, or the part of it that is there.
func (a *answer) takeLine(p []byte) int {
	end := bytes.IndexByte(p, '\n') + 1
	if end == 0 {
		if a.kept = append(a.kept, p...); len(a.kept) > maxHead {
			a.phase = lost
		}
		return len(p)
	}
	a.kept = append(a.kept, p[:end]...)
	a.readLine(bytes.TrimRight(a.kept, " \t\r\n"))
	a.kept = a.kept[:0]
	return end
}

func (a *answer) readLine(line []byte) {
	if a.phase == trailer {
		if len(line) == 0 {
			a.phase = nothing
		}
		return
	}
	size, _, _ := bytes.Cut(line, []byte(";"))
	n, err := strconv.ParseUint(string(size), 16, 62)
	switch {
	case err != nil:
		a.phase = lost
	case n == 0:
		a.phase = trailer
	default:
		a.phase, a.left = body, int64(n)+2
	}
}
