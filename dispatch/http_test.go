package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	wire := make(chan string, 1)
	rc := startReceiver(t, func(c *peer) {
		var b strings.Builder
		for !strings.HasSuffix(b.String(), `"events":[]}`) {
			p := make([]byte, 4096)
			n, err := c.Read(p)
			if err != nil {
				break
			}
			b.Write(p[:n])
		}
		wire <- b.String()
		c.write(ok)
	})
	r := newRequest(rc.url + "/a%2Fb?x=1&y=%20#fragment")
	r.Header["X-PUSHER-odd"] = []string{"as it stands"}
	r.Header["X-Custom"] = []string{"one", "two"}
	r.Attempt = 12
	before := r.Clone()
	want(t, send(t, newHTTP(t, dispatch.HTTPOptions{}), r), dispatch.Delivered, "")

	got := <-wire
	for _, line := range []string{
		"POST /hooks/a%2Fb?x=1&y=%20 HTTP/1.1\r\n",
		"\r\nHost: " + rc.addr + "\r\n",
		"\r\nContent-Length: 25\r\n",
		"\r\nContent-Type: application/json\r\n",
		"\r\nUser-Agent: pushhooks-webhook/1\r\n",
		"\r\nWebhook-Attempt: 12\r\n",
		"\r\nWebhook-Id: job-1\r\n",
		"\r\nX-Pusher-Key: my-key\r\n",
		"\r\nX-Pusher-Signature: 5ca1ab1e\r\n",
		"\r\nX-PUSHER-odd: as it stands\r\n",
		"\r\nX-Custom: one\r\n",
		"\r\nX-Custom: two\r\n",
		"\r\n\r\n{\"time_ms\":1,\"events\":[]}",
	} {
		if strings.Count(got, line) != 1 {
			t.Errorf("%q is not there exactly once in\n%s", line, got)
		}
	}
	if strings.Contains(got, "Accept-Encoding") || strings.Contains(got, "Connection") {
		t.Errorf("there are headers that nobody asked for:\n%s", got)
	}
	if len(r.Header) != len(before.Header) {
		t.Errorf("the request's headers were changed: %v", r.Header)
	}
}

func TestUserAgentAndUserinfo(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, answering(ok))
	h := newHTTP(t, dispatch.HTTPOptions{UserAgent: "acme/2"})
	r := newRequest("http://user:p%40ss@" + rc.addr)
	want(t, send(t, h, r), dispatch.Delivered, "")
	r.Header.Set("User-Agent", "mine/3")
	r.Header.Set("Authorization", "Bearer mine")
	want(t, send(t, h, r), dispatch.Delivered, "")

	got := rc.received()
	if user, pass, _ := got[0].BasicAuth(); user != "user" || pass != "p@ss" || got[0].UserAgent() != "acme/2" {
		t.Errorf("the first request has user %q, password %q, agent %q", user, pass, got[0].UserAgent())
	}
	if got[1].Header.Get("Authorization") != "Bearer mine" || got[1].UserAgent() != "mine/3" {
		t.Errorf("the request's own headers were replaced: %v", got[1].Header)
	}
}

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("x", 60<<10)
	for name, answer := range map[string]string{
		"no body":       ok,
		"204":           "HTTP/1.1 204 No Content\r\n\r\n",
		"small":         "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"60 KiB":        fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body),
		"chunked":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"error":         "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
		"60 KiB, error": fmt.Sprintf("HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n%s", len(body), body),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rc := startReceiver(t, answering(answer))
			h := newHTTP(t, dispatch.HTTPOptions{})
			for range 20 {
				_ = send(t, h, newRequest(rc.url))
			}
			// A busy machine may be too slow for a body's wait, once or twice.
			if n := rc.connections(); n > 3 {
				t.Errorf("20 attempts took %d connections", n)
			}
		})
	}
}

func TestAsManyIdleConnectionsAsAttemptsAtOnce(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, answering(ok))
	h := newHTTP(t, dispatch.HTTPOptions{MaxIdlePerHost: 8})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				want(t, send(t, h, newRequest(rc.url)), dispatch.Delivered, "")
			}
		})
	}
	wg.Wait()
	if n := rc.connections(); n > 16 {
		t.Errorf("8 senders took %d connections for 800 attempts", n)
	}
}

func TestCloseAndIdleTimeoutEndConnections(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{}, 2)
	rc := startReceiver(t, func(c *peer) {
		answering(ok)(c)
		closed <- struct{}{}
	})
	idle := newHTTP(t, dispatch.HTTPOptions{IdleTimeout: 10 * time.Millisecond})
	want(t, send(t, idle, newRequest(rc.url)), dispatch.Delivered, "")
	recv(t, closed)

	h := newHTTP(t, dispatch.HTTPOptions{})
	want(t, send(t, h, newRequest(rc.url)), dispatch.Delivered, "")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	recv(t, closed)
}

func TestCanceledAttempt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	rc := startReceiver(t, func(c *peer) {
		c.read()
		cancel()
		c.untilClosed()
	})
	h := newHTTP(t, dispatch.HTTPOptions{})
	out := h.Send(ctx, newRequest(rc.url))
	want(t, out, dispatch.Retry, dispatch.ReasonCanceled)
	if !errors.Is(out.Err, context.Canceled) {
		t.Errorf("error is %v", out.Err)
	}
	want(t, h.Send(ctx, newRequest(rc.url)), dispatch.Retry, dispatch.ReasonCanceled)
	if n := len(rc.received()); n != 1 {
		t.Errorf("the receiver got %d requests, want 1", n)
	}
}

func TestCauseOfAContextIsNotMistakenForAnAnswer(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, (*peer).untilClosed)
	h := newHTTP(t, dispatch.HTTPOptions{})
	cause := errors.New("the lease is over")

	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, cause)
	defer cancel()
	want(t, h.Send(ctx, newRequest(rc.url)), dispatch.Retry, dispatch.ReasonTimeout)

	ctx, cancelCause := context.WithCancelCause(t.Context())
	cancelCause(cause)
	want(t, h.Send(ctx, newRequest(rc.url)), dispatch.Retry, dispatch.ReasonCanceled)
}

func TestRefusedConnection(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	out := send(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest("http://user:hunter2@"+ln.Addr().String()+"/hunter2?hunter2"))
	want(t, out, dispatch.Retry, dispatch.ReasonConnect)
	if !errors.Is(out.Err, syscall.ECONNREFUSED) || strings.Contains(out.Err.Error(), "hunter2") {
		t.Errorf("error is %v", out.Err)
	}
}

func TestLocalTroubleIsUnsent(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL,
	} {
		h := newHTTP(t, dispatch.HTTPOptions{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errno}
		}})
		want(t, send(t, h, newRequest("http://receiver.test")), dispatch.Unsent, dispatch.ReasonLocal)
	}
}

func TestRequestsThatCannotBeMade(t *testing.T) {
	t.Parallel()
	h := newHTTP(t, dispatch.HTTPOptions{})
	for _, rawURL := range []string{
		"", "/hooks", "//receiver.test/", "receiver.test", "ftp://receiver.test/", "file:///etc/passwd", "http://", "http://:80/",
		"http:receiver.test", "https://receiver.test:0/", "https://receiver.test:65536/", "https://receiver.test:x/",
		"http://[::1/", "http://a b/", "http://\x7f/", "http://user:hunter2@%zz/", "http://receiver.test/\nhunter2", "javascript:hunter2",
	} {
		out := send(t, h, newRequest(rawURL))
		want(t, out, dispatch.Stop, dispatch.ReasonBadRequest)
		if strings.Contains(out.Err.Error(), "hunter2") {
			t.Errorf("error %q shows more than scheme and host", out.Err)
		}
	}
	rc := startReceiver(t, answering(ok))
	for name, value := range map[string]string{"X-A": "hunter2\r\nX-B: 1", "X-C": "hunter2\x00", "X D": "hunter2", "": "hunter2", "X-É": "hunter2"} {
		r := newRequest(rc.url)
		r.Header[name] = []string{value}
		out := send(t, h, r)
		want(t, out, dispatch.Stop, dispatch.ReasonBadRequest)
		if strings.Contains(out.Err.Error(), "hunter2") {
			t.Errorf("error %q shows a header's value", out.Err)
		}
	}
	r := newRequest(rc.url)
	r.JobID = "a\nb"
	want(t, send(t, h, r), dispatch.Stop, dispatch.ReasonBadRequest)
}

func TestFault19AddressesAreRefusedAtDial(t *testing.T) {
	t.Parallel()
	h := newHTTP(t, dispatch.HTTPOptions{})
	for _, host := range []string{
		"169.254.169.254", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[fe80::1%25lo]", "0.0.0.0", "[::]",
		"168.63.129.16", "100.100.100.200", "[fd00:ec2::254]", "[2002:a9fe:a9fe::1]",
	} {
		out := send(t, h, newRequest("http://"+host+"/"))
		want(t, out, dispatch.Stop, dispatch.ReasonBlockedAddress)
	}
	rc := startReceiver(t, answering(ok))
	want(t, send(t, h, newRequest(rc.url)), dispatch.Delivered, "")
	public := newHTTP(t, dispatch.HTTPOptions{PublicOnly: true})
	want(t, send(t, public, newRequest(rc.url)), dispatch.Stop, dispatch.ReasonBlockedAddress)
	if n := rc.connections(); n != 1 {
		t.Errorf("the receiver saw %d connections, want 1", n)
	}
}

func TestProxy(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, answering(ok))
	proxy := startReceiver(t, connectProxy(t, rc.addr))
	h := newHTTP(t, dispatch.HTTPOptions{Proxy: &url.URL{
		Scheme: "http", Host: proxy.addr, User: url.UserPassword("user", "hunter2"),
	}})
	want(t, send(t, h, newRequest("http://receiver.test/hooks")), dispatch.Delivered, "")
	if got := proxy.received()[0]; got.RequestURI != "http://receiver.test/hooks" {
		t.Errorf("the proxy was asked for %s", got.RequestURI)
	}

	// Through a tunnel, to a receiver that does not speak TLS.
	out := send(t, h, newRequest("https://receiver.test/hooks"))
	want(t, out, dispatch.Retry, dispatch.ReasonTLS)

	// The proxy refuses.
	out = send(t, h, newRequest("https://refused.test/hooks"))
	want(t, out, dispatch.Retry, dispatch.ReasonProxy)

	// An address that stands in the URL is never asked for.
	asked := len(proxy.received())
	out = send(t, h, newRequest("http://169.254.169.254/latest"))
	want(t, out, dispatch.Stop, dispatch.ReasonBlockedAddress)
	if len(proxy.received()) != asked {
		t.Error("the proxy was asked for the metadata address")
	}
}

// connectProxy answers requests as a proxy does that knows one receiver.
func connectProxy(t *testing.T, addr string) func(c *peer) {
	return func(c *peer) {
		for c.read() {
			got := c.rc.received()
			r := got[len(got)-1]
			switch {
			case r.Method != http.MethodConnect:
				c.write(ok)
			case r.Host == "refused.test:443":
				c.write(answerOf("403 Forbidden"))
			default:
				c.write("HTTP/1.1 200 OK\r\n\r\n")
				tunnel(t, c, addr)
				return
			}
		}
	}
}

func tunnel(t *testing.T, c *peer, addr string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_, _ = io.CopyN(conn, c.in, 1) // enough to confuse the receiver
	_, _ = conn.Write([]byte("\r\n\r\n"))
	_, _ = io.Copy(c, conn)
}

func TestProxyThatIsDown(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	h := newHTTP(t, dispatch.HTTPOptions{Proxy: &url.URL{Scheme: "http", Host: ln.Addr().String()}})
	// which has nothing to do with it
	for _, url := range []string{"https://receiver.test", "http://receiver.test"} {
		want(t, send(t, h, newRequest(url)), dispatch.Unsent, dispatch.ReasonConnect)
	}
}

func TestOptionsThatAreNotValid(t *testing.T) {
	t.Parallel()
	_, err := dispatch.NewHTTP(dispatch.HTTPOptions{
		ConnectTimeout: -1, TLSTimeout: -1, IdleTimeout: -1, MaxConnAge: -1, MaxIdlePerHost: -1, UserAgent: "a\nb",
		Proxy: &url.URL{Scheme: "ftp", Host: "proxy.test", User: url.UserPassword("user", "hunter2")},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"ConnectTimeout", "TLSTimeout", "IdleTimeout", "MaxConnAge", "MaxIdlePerHost", "UserAgent", "Proxy"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("error does not name %s: %v", name, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error shows the proxy's password: %v", err)
	}
}

func TestOptionsNearTheLargestNumber(t *testing.T) {
	t.Parallel()
	_, err := dispatch.NewHTTP(dispatch.HTTPOptions{
		ConnectTimeout: math.MaxInt64, TLSTimeout: math.MaxInt64, IdleTimeout: math.MaxInt64, MaxConnAge: math.MaxInt64, MaxIdlePerHost: math.MaxInt,
	})
	if n := strings.Count(fmt.Sprint(err), "it must be at most"); n != 5 {
		t.Errorf("%d of 5 are refused: %v", n, err)
	}
}

func recv(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(soon):
		t.Fatal("waited in vain")
	}
}
