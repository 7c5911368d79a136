package dispatch_test

import (
	"crypto/tls"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

// untidyAnswers are answers with bytes behind them. A "|" is where the receiver pauses.
var untidyAnswers = map[string]string{
	"204 with a body":             "HTTP/1.1 204 No Content\r\n\r\nok",
	"204 with an announced body":  "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n|ok",
	"204 with a late body":        "HTTP/1.1 204 No Content\r\n\r\n|ok",
	"more than Content-Length":    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more",
	"more than none":              "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nok",
	"more, late":                  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok|, and more",
	"chunked and more":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nmore",
	"another answer":              "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
	"another answer, late":        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n|HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
	"an error and another answer": "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops" + ok,
}

func TestLeftOverBytesAreNoAnswer(t *testing.T) {
	t.Parallel()
	for name, text := range untidyAnswers {
		for _, scheme := range []string{"http", "https"} {
			t.Run(name+", "+scheme, func(t *testing.T) {
				t.Parallel()
				var requests atomic.Int64
				url := startUntidy(t, scheme, text, &requests)
				h := newHTTP(t, dispatch.HTTPOptions{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
				want := dispatch.Delivered
				if strings.Contains(text, " 500 ") {
					want = dispatch.Retry
				}
				const senders, each = 4, 25
				// What arrives when the next request is on its way can't be told from its answer.
				// It is noticed, at most once for each connection.
				mistaken := int64(0)
				if strings.Contains(text, "|") {
					mistaken = senders
				}
				var failed atomic.Int64
				var wg sync.WaitGroup
				for range senders {
					wg.Go(func() {
						for range each {
							out := send(t, h, newRequest(url))
							if out.Verdict != want || out.Status == 503 {
								failed.Add(1)
								t.Logf("outcome is %v, status %d, %v", out.Verdict, out.Status, out.Err)
							}
						}
					})
				}
				wg.Wait()
				if n := failed.Load(); n > mistaken {
					t.Errorf("%d attempts had another outcome", n)
				}
				if n := requests.Load(); n < senders*each || n > senders*each+mistaken {
					t.Errorf("%d requests were made for %d attempts", n, senders*each)
				}
			})
		}
	}
}

// startUntidy starts a receiver that answers every request with text, and counts them.
func startUntidy(t *testing.T, scheme, text string, requests *atomic.Int64) string {
	t.Helper()
	cert := newAuthority(t).cert
	rc := startReceiver(t, func(c *peer) {
		if scheme == "https" {
			conn := tls.Server(c.Conn, &tls.Config{Certificates: []tls.Certificate{cert}})
			defer conn.Close()
			c = newPeer(conn, c)
		}
		for c.read() {
			requests.Add(1)
			for i, part := range strings.Split(text, "|") {
				if i > 0 {
					time.Sleep(time.Millisecond)
				}
				if !c.write(part) {
					return
				}
			}
		}
	})
	return scheme + "://" + rc.addr + "/hooks"
}

// A receiver that is known to leave bytes behind gets a connection for each request, which costs no
// more and can't be mistaken.
func TestUntidyReceiverGetsNewConnections(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, answering("HTTP/1.1 204 No Content\r\n\r\nok"))
	h := newHTTP(t, dispatch.HTTPOptions{})
	for range 5 {
		want(t, send(t, h, newRequest(rc.url)), dispatch.Delivered, "")
	}
	got := rc.received()
	if rc.connections() != 5 || got[0].Close || !got[4].Close {
		t.Errorf("5 attempts took %d connections; the last one asks to close it: %v", rc.connections(), got[4].Close)
	}
}

// What arrives while a connection is idle ends it, and costs no attempt.
func TestUnaskedAnswerOnAnIdleConnection(t *testing.T) {
	t.Parallel()
	written := make(chan struct{}, 10)
	rc := startReceiver(t, func(c *peer) {
		for c.read() && c.write(ok) {
			time.Sleep(30 * time.Millisecond)
			c.write("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n")
			written <- struct{}{}
		}
	})
	h := newHTTP(t, dispatch.HTTPOptions{})
	for range 2 {
		want(t, send(t, h, newRequest(rc.url)), dispatch.Delivered, "")
		recv(t, written)
	}
	if n := rc.connections(); n != 2 {
		t.Errorf("there were %d connections, want 2", n)
	}
}
