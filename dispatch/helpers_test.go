package dispatch_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

// soon is how long a test waits for what should happen at once, on a machine that is busy.
const soon = 20 * time.Second

func newHTTP(t *testing.T, o dispatch.HTTPOptions) *dispatch.HTTP {
	t.Helper()
	h, err := dispatch.NewHTTP(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func newRequest(url string) *dispatch.Request {
	return &dispatch.Request{
		URL: url,
		Header: http.Header{
			"Content-Type":       {"application/json"},
			"X-Pusher-Key":       {"my-key"},
			"X-Pusher-Signature": {"5ca1ab1e"},
		},
		Body:      []byte(`{"time_ms":1,"events":[]}`),
		AppID:     "my-app",
		WebhookID: "my-hook",
		JobID:     "job-1",
		Attempt:   1,
	}
}

// send makes an attempt with more time than it needs.
func send(t *testing.T, s dispatch.Sender, r *dispatch.Request) dispatch.Outcome {
	t.Helper()
	return sendWithin(t, s, r, soon)
}

func sendWithin(t *testing.T, s dispatch.Sender, r *dispatch.Request, timeout time.Duration) dispatch.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return s.Send(ctx, r)
}

// want fails the test unless the outcome is the one that is meant, and complete.
func want(t *testing.T, got dispatch.Outcome, verdict dispatch.Verdict, reason string) {
	t.Helper()
	if got.Verdict != verdict || got.Reason != reason {
		t.Fatalf("outcome is %v %q (status %d, %v), want %v %q",
			got.Verdict, got.Reason, got.Status, got.Err, verdict, reason)
	}
	if delivered := verdict == dispatch.Delivered; delivered != (got.Err == nil) {
		t.Fatalf("the error of %v is %v", got.Verdict, got.Err)
	}
}

// receiver is a listener on loopback that misbehaves as its serve function says.
type receiver struct {
	addr string
	url  string

	mu       sync.Mutex
	conns    []net.Conn
	requests []*http.Request
}

// startReceiver calls serve for each connection, numbered from 1. Connections end with the test.
func startReceiver(t testing.TB, serve func(c *peer)) *receiver {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startReceiverOn(t, ln, serve)
}

func startReceiverOn(t testing.TB, ln net.Listener, serve func(c *peer)) *receiver {
	t.Helper()
	rc := &receiver{addr: ln.Addr().String(), url: "http://" + ln.Addr().String() + "/hooks"}
	var wg sync.WaitGroup
	wg.Go(func() { rc.accept(ln, &wg, serve) })
	t.Cleanup(func() {
		_ = ln.Close()
		rc.closeConns()
		wg.Wait()
	})
	return rc
}

func (rc *receiver) accept(ln net.Listener, wg *sync.WaitGroup, serve func(c *peer)) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		rc.mu.Lock()
		rc.conns = append(rc.conns, conn)
		c := &peer{Conn: conn, rc: rc, number: len(rc.conns), in: bufio.NewReader(conn)}
		rc.mu.Unlock()
		wg.Go(func() {
			defer conn.Close()
			serve(c)
		})
	}
}

func (rc *receiver) closeConns() {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	for _, conn := range rc.conns {
		_ = conn.Close()
	}
}

// connections returns how many there have been.
func (rc *receiver) connections() int {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return len(rc.conns)
}

// received returns the requests that were read.
func (rc *receiver) received() []*http.Request {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	return append([]*http.Request(nil), rc.requests...)
}

// peer is the receiver's end of a connection.
type peer struct {
	net.Conn
	rc     *receiver
	number int
	in     *bufio.Reader
}

// newPeer returns the peer of a connection over that of c.
func newPeer(conn net.Conn, c *peer) *peer {
	return &peer{Conn: conn, rc: c.rc, number: c.number, in: bufio.NewReader(conn)}
}

// read reads a request and reports whether there was one.
func (c *peer) read() bool {
	r, err := http.ReadRequest(c.in)
	if err != nil {
		return false
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return false
	}
	c.rc.mu.Lock()
	c.rc.requests = append(c.rc.requests, r)
	c.rc.mu.Unlock()
	return true
}

// write reports whether it could.
func (c *peer) write(s string) bool {
	_, err := io.WriteString(c, s)
	return err == nil
}

// reset ends the connection with a TCP reset.
func (c *peer) reset() {
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// untilClosed reads and drops until the sender closes the connection.
func (c *peer) untilClosed() { _, _ = io.Copy(io.Discard, c.in) }

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

// answering serves every request with the same answer.
func answering(answer string) func(c *peer) {
	return func(c *peer) {
		for c.read() && c.write(answer) {
		}
	}
}

// answerOf makes an answer without a body.
func answerOf(statusLine string, headers ...string) string {
	lines := append([]string{"HTTP/1.1 " + statusLine, "Content-Length: 0"}, headers...)
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}
