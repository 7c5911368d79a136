package outbound

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestAnswerEnds(t *testing.T) {
	t.Parallel()
	const more = "HTTP/1.1 503 Busy\r\n\r\n"
	for _, tc := range []struct {
		text  string // the answer; more follows
		phase phase
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", nothing},
		{"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", nothing},
		{"HTTP/1.1 200 OK\r\ncontent-length: 2 \r\nContent-Length: 2\r\n\r\nok", nothing},
		{"HTTP/1.1 204 No Content\r\n\r\n", nothing},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", nothing},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", nothing},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", nothing},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n1;x=y\r\no\r\n0\r\nA: b\r\n\r\n", nothing},
	} {
		for size := 1; size <= len(tc.text)+len(more); size++ {
			var a answer
			a.expect(true)
			if used := feed(&a, tc.text+more, size); used != len(tc.text) || a.phase != tc.phase {
				t.Errorf("in pieces of %d, %q ends after %d bytes in phase %d", size, tc.text, used, a.phase)
				break
			}
		}
	}
}

func TestAnswersThatDoNotEndOrAreLost(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]phase{
		"HTTP/1.1 200 OK\r\n\r\nuntil the end":                              untilClose,
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":    untilClose,
		"HTTP/1.1 101 Switching\r\n\r\nanything":                            untilClose,
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n": lost,
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 2\r\n\r\n":                lost,
		"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n":                     lost,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n":       lost,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n":       lost,
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHead):             lost,
		"ok": lost,
	} {
		var a answer
		a.expect(true)
		feed(&a, text, 7)
		if a.phase != want {
			t.Errorf("%.80q ends in phase %d, want %d", text, a.phase, want)
		}
	}
}

// feed hands text over in pieces, until one is not taken whole.
func feed(a *answer, text string, size int) int {
	used := 0
	for used < len(text) {
		piece := text[used:min(used+size, len(text))]
		n := a.take([]byte(piece))
		used += n
		if n < len(piece) {
			break
		}
	}
	return used
}

// FuzzAnswer holds an answer to end where net/http lets it end, or earlier: net/http must never
// find bytes behind the answer.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 503 Busy\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\nmore",
		"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore",
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok", "HTTP/1.1  204\n\nx", "HTTP/1.1 200\nContent-Length : 1\n\nx",
	} {
		f.Add(s, 5)
	}
	f.Fuzz(func(t *testing.T, text string, size int) {
		var a answer
		a.expect(true)
		used := feed(&a, text, 1+(size&0x7fff))
		src := strings.NewReader(text[:used])
		br := bufio.NewReaderSize(src, 1<<20)
		resp, err := readFinal(br)
		if err != nil || resp.Close || a.phase == lost {
			return // the connection is closed
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return
		}
		if left := br.Buffered() + src.Len(); left > 0 {
			t.Errorf("of %q, %d bytes are taken, %d of them behind the answer", text, used, left)
		}
	})
}

func readFinal(br *bufio.Reader) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(br, &http.Request{Method: http.MethodPost})
		if err != nil || resp.StatusCode/100 != 1 || resp.StatusCode == 101 {
			if err == nil && resp.StatusCode < 200 {
				resp.Close = true // as the transport has it
			}
			return resp, err
		}
	}
}
