package dispatch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

func TestFault03RequestReadAndNoAnswer(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, func(c *peer) {
		if c.number == 1 {
			c.read()
			c.write(ok)
		}
		c.read()
		c.untilClosed()
	})
	h := newHTTP(t, dispatch.HTTPOptions{})
	r := newRequest(rc.url)
	want(t, send(t, h, r), dispatch.Delivered, "") // so that the next one is on a reused connection

	for r.Attempt = 1; r.Attempt <= 2; r.Attempt++ {
		out := sendWithin(t, h, r, 200*time.Millisecond)
		want(t, out, dispatch.Retry, dispatch.ReasonTimeout)
		if !strings.Contains(out.Err.Error(), "no answer") {
			t.Errorf("error %q does not say what was missing", out.Err)
		}
	}
	got := rc.received()
	if len(got) != 3 {
		t.Fatalf("the receiver got %d requests, want 3", len(got))
	}
	for i, r := range got[1:] {
		if r.Header.Get("Webhook-Id") != "job-1" || r.Header.Get("Webhook-Attempt") != fmt.Sprint(i+1) {
			t.Errorf("request %d has id %q, attempt %q", i+1, r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Attempt"))
		}
	}
}

func TestFault04HeadersByteByByte(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	rc := startReceiver(t, func(c *peer) {
		c.read()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if !c.write("H") {
				close(closed)
				return
			}
		}
	})
	h := newHTTP(t, dispatch.HTTPOptions{})

	start := time.Now()
	out := sendWithin(t, h, newRequest(rc.url), 200*time.Millisecond)
	want(t, out, dispatch.Retry, dispatch.ReasonTimeout)
	if took := time.Since(start); took < 200*time.Millisecond || took > soon {
		t.Errorf("the attempt took %v", took)
	}
	wait(t, closed, "the sender to close the connection")
}

func TestFault05BodyThatNeverEnds(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"known length": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
		"chunked":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
		"until closed": "HTTP/1.0 200 OK\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			closed := make(chan struct{})
			rc := startReceiver(t, func(c *peer) {
				c.read()
				c.write(head)
				c.untilClosed()
				close(closed)
			})
			out := sendWithin(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest(rc.url), time.Hour)
			want(t, out, dispatch.Delivered, "")
			wait(t, closed, "the sender to close the connection")
		})
	}
}

func TestFailureWithBodyThatNeverEndsKeepsWhatCame(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, func(c *peer) {
		c.read()
		c.write("HTTP/1.1 500 Oops\r\nContent-Length: 1000\r\n\r\nsome words")
		c.untilClosed()
	})
	out := sendWithin(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest(rc.url), time.Hour)
	want(t, out, dispatch.Retry, dispatch.ReasonStatus)
	if out.Response != "some words" {
		t.Errorf("response is %q", out.Response)
	}
}

func TestFault06HugeBody(t *testing.T) {
	t.Parallel()
	chunk := strings.Repeat("x", 1<<16)
	const buffer = 8 << 10 // before the body: the headers, and what came with them
	for _, tc := range []struct {
		name, head string
		limit      int64
	}{
		{"known length", "Content-Length: 10737418240\r\n\r\n", buffer},
		{"chunked", "Transfer-Encoding: chunked\r\n\r\n280000000\r\n", 64<<10 + buffer},
	} {
		for _, status := range []string{"200 OK", "500 Oops"} {
			t.Run(tc.name+" "+status, func(t *testing.T) {
				t.Parallel()
				rc := startReceiver(t, func(c *peer) {
					c.read()
					for more := c.write("HTTP/1.1 " + status + "\r\n" + tc.head); more; {
						more = c.write(chunk)
					}
				})
				var count readCounter
				h := newHTTP(t, dispatch.HTTPOptions{DialContext: count.dial})
				for range 2 {
					_ = send(t, h, newRequest(rc.url))
				}
				if read := count.bytes.Load(); read > 2*tc.limit {
					t.Errorf("%d bytes were read of two answers, want at most %d", read, 2*tc.limit)
				}
				if n := rc.connections(); n != 2 {
					t.Errorf("there were %d connections, want a new one each time", n)
				}
			})
		}
	}
}

// readCounter counts the bytes that are read from the connections it dials.
type readCounter struct{ bytes atomic.Int64 }

func (rc *readCounter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	return &countedConn{conn, rc}, err
}

type countedConn struct {
	net.Conn
	count *readCounter
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.count.bytes.Add(int64(n))
	return n, err
}

func TestFault07GzipBomb(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 4<<20))
	_ = z.Close()
	rc := startReceiver(t, func(c *peer) {
		c.read()
		c.write(fmt.Sprintf("HTTP/1.1 500 Oops\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", bomb.Len()))
		_, _ = c.Write(bomb.Bytes())
	})
	out := send(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest(rc.url))
	want(t, out, dispatch.Retry, dispatch.ReasonStatus)
	if strings.ContainsRune(out.Response, 0) || len(out.Response) > 1024 || !strings.HasPrefix(out.Response, "\uFFFD") {
		t.Errorf("the response is not the beginning of the gzip data: %.20q", out.Response)
	}
	if enc := rc.received()[0].Header.Get("Accept-Encoding"); enc != "" {
		t.Errorf("the request asks for %s", enc)
	}
}

func TestFault08HugeHeaders(t *testing.T) {
	t.Parallel()
	line := "X-Filler: " + strings.Repeat("x", 1000) + "\r\n"
	rc := startReceiver(t, func(c *peer) {
		c.read()
		c.write("HTTP/1.1 200 OK\r\n")
		for range 20 << 10 {
			if !c.write(line) {
				return
			}
		}
		c.write("\r\n")
	})
	var count readCounter
	out := send(t, newHTTP(t, dispatch.HTTPOptions{DialContext: count.dial}), newRequest(rc.url))
	want(t, out, dispatch.Retry, dispatch.ReasonHeaderTooLarge)
	if read := count.bytes.Load(); read > 64<<10 {
		t.Errorf("%d bytes were read", read)
	}
}

func TestFault10ResetInTheBody(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, func(c *peer) {
		c.read()
		c.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
		c.reset()
	})
	out := send(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest(rc.url))
	want(t, out, dispatch.Delivered, "")
	if n := len(rc.received()); n != 1 {
		t.Errorf("the receiver got %d requests, want 1", n)
	}
}

func TestFault12RedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	other := startReceiver(t, answering(ok))
	for _, status := range []string{"301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"} {
		for name, location := range map[string]string{
			"other": other.url, "loop": "", "metadata": "http://169.254.169.254/latest/meta-data?token=hunter2",
		} {
			t.Run(status+" "+name, func(t *testing.T) {
				t.Parallel()
				rc := startReceiver(t, answering(answerOf(status, "Location: "+location)))
				out := send(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest(rc.url))
				want(t, out, dispatch.Retry, dispatch.ReasonRedirect)
				if strings.Contains(out.Err.Error(), "hunter2") {
					t.Errorf("error %q shows where the redirect leads", out.Err)
				}
				if n := len(rc.received()); n != 1 {
					t.Errorf("the receiver got %d requests, want 1", n)
				}
			})
		}
	}
	t.Cleanup(func() {
		if n := other.connections(); n != 0 {
			t.Errorf("the redirects were followed: %d connections", n)
		}
	})
}

func TestFault13Statuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		answer  string
		status  int
		verdict dispatch.Verdict
		reason  string
	}{
		{answerOf("200 OK"), 200, dispatch.Delivered, ""},
		{answerOf("201 Created"), 201, dispatch.Delivered, ""},
		{answerOf("202"), 202, dispatch.Delivered, ""},
		{"HTTP/1.1 204 No Content\r\n\r\n", 204, dispatch.Delivered, ""},
		{answerOf("299 Odd"), 299, dispatch.Delivered, ""},
		{"HTTP/1.1 100 Continue\r\n\r\n" + ok, 200, dispatch.Delivered, ""},
		{"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok, 200, dispatch.Delivered, ""},
		{"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", 101, dispatch.Retry, "status"},
		{answerOf("300 Multiple Choices"), 300, dispatch.Retry, "status"},
		{"HTTP/1.1 304 Not Modified\r\n\r\n", 304, dispatch.Retry, "status"},
		{answerOf("400 Bad Request"), 400, dispatch.Retry, "status"},
		{answerOf("404 Not Found"), 404, dispatch.Retry, "status"},
		{answerOf("500 Oops"), 500, dispatch.Retry, "status"},
		{answerOf("999 Denied"), 999, dispatch.Retry, "status"},
		{answerOf("000 Zero"), 0, dispatch.Retry, "status"},
		{"HTTP/1.1 2000 Long\r\n\r\n", 0, dispatch.Retry, "bad_answer"},
		{"HTTP/1.1 -20 Short\r\n\r\n", 0, dispatch.Retry, "bad_answer"},
		{"SSH-2.0-OpenSSH_9.2\r\n", 0, dispatch.Retry, "bad_answer"},
		{"\x15\x03\x01\x00\x02\x02\x46", 0, dispatch.Retry, "bad_answer"},
		{"", 0, dispatch.Retry, "reset"},
		{"HTTP/1.1 200 OK\r\nContent-Le", 0, dispatch.Retry, "bad_answer"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", 0, dispatch.Retry, "reset"},
	} {
		t.Run(fmt.Sprintf("%.20q", tc.answer), func(t *testing.T) {
			t.Parallel()
			rc := startReceiver(t, func(c *peer) {
				c.read()
				c.write(tc.answer)
			})
			out := send(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest(rc.url))
			want(t, out, tc.verdict, tc.reason)
			if out.Status != tc.status {
				t.Errorf("status is %d, want %d", out.Status, tc.status)
			}
		})
	}
}

func TestFault14RetryAfter(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"429 Too Many Requests", "503 Service Unavailable", "404 Not Found", "302 Found"} {
		rc := startReceiver(t, answering(answerOf(status, "Retry-After: 120")))
		out := send(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest(rc.url))
		if out.Verdict != dispatch.Retry || out.RetryAfter != 2*time.Minute {
			t.Errorf("%s: %v, retry after %v, want retry after 2m", status, out.Verdict, out.RetryAfter)
		}
	}
	at := time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat)
	rc := startReceiver(t, answering(answerOf("503 Busy", "Retry-After: "+at)))
	out := send(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest(rc.url))
	if out.RetryAfter < time.Minute || out.RetryAfter > 90*time.Second {
		t.Errorf("retry after %v, want about 90s", out.RetryAfter)
	}
}

func TestFault15Gone(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, answering(answerOf("410 Gone")))
	out := send(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest(rc.url))
	want(t, out, dispatch.Stop, dispatch.ReasonGone)
}

func TestFault16TooLarge(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, answering("HTTP/1.1 413 Too Large\r\nContent-Length: 10\r\n\r\nat most 1k"))
	r := newRequest(rc.url)
	r.Body = bytes.Repeat([]byte("x"), 1<<20)
	out := send(t, newHTTP(t, dispatch.HTTPOptions{}), r)
	want(t, out, dispatch.TooLarge, dispatch.ReasonTooLarge)
	if out.Response != "at most 1k" || out.Status != 413 {
		t.Errorf("outcome is %+v", out)
	}
}

func TestFault16TooLargeSaidBeforeTheBodyWasRead(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, func(c *peer) {
		if _, err := http.ReadRequest(c.in); err != nil {
			return
		}
		c.write(answerOf("413 Too Large", "Connection: close"))
		_, _ = io.Copy(io.Discard, c.in)
	})
	r := newRequest(rc.url)
	r.Body = bytes.Repeat([]byte("x"), 32<<20)
	out := send(t, newHTTP(t, dispatch.HTTPOptions{}), r)
	want(t, out, dispatch.TooLarge, dispatch.ReasonTooLarge)
}

// wait fails the test when done is not closed in time.
func wait(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(soon):
		t.Fatalf("waited in vain for %s", what)
	}
}
