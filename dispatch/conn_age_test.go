package dispatch_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/pushhooks/webhook/dispatch"
)

// movingReceiver is a receiver at two loopback addresses with one name, which moves from the first
// to the second.
type movingReceiver struct {
	url      string
	resolver dispatch.HTTPOptions // with the resolver and TLS configuration to reach it
	moved    atomic.Bool
	requests [2]atomic.Int64
	conns    [2]atomic.Int64
	serve    func(c *peer) bool // answers a request that was read
}

func startMoving(t *testing.T, scheme string, serve func(c *peer) bool) *movingReceiver {
	t.Helper()
	m := &movingReceiver{serve: serve}
	cert := newAuthority(t).cert
	first, port := listenOn(t, "127.0.0.1", "0")
	second, _ := listenOn(t, "127.0.0.2", port)
	for i, ln := range []net.Listener{first, second} {
		startReceiverOn(t, ln, func(c *peer) {
			m.conns[i].Add(1)
			if scheme == "https" {
				conn := tls.Server(c.Conn, &tls.Config{Certificates: []tls.Certificate{cert}})
				defer conn.Close()
				c = newPeer(conn, c)
			}
			for c.read() {
				m.requests[i].Add(1)
				if !m.serve(c) {
					return
				}
			}
		})
	}
	m.resolver.TLSConfig = &tls.Config{InsecureSkipVerify: true}
	m.resolver.Resolver = startDNS(t, func(int) (dnsmessage.RCode, []string) {
		if m.moved.Load() {
			return dnsmessage.RCodeSuccess, []string{"127.0.0.2"}
		}
		return dnsmessage.RCodeSuccess, []string{"127.0.0.1"}
	})
	m.url = scheme + "://receiver.test.:" + port + "/hooks"
	return m
}

func TestReceiverThatMovesIsFollowedWithoutALostRequest(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			const maxAge = 300 * time.Millisecond
			m := startMoving(t, scheme, func(c *peer) bool { return c.write(ok) })
			o := m.resolver
			o.MaxConnAge = maxAge
			h := newHTTP(t, o)
			var sent atomic.Int64
			var wg sync.WaitGroup
			stop := make(chan struct{})
			for range 8 {
				wg.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						sent.Add(1)
						if out := send(t, h, newRequest(m.url)); out.Verdict != dispatch.Delivered {
							t.Errorf("outcome is %v, %v", out.Verdict, out.Err)
						}
					}
				})
			}
			time.Sleep(maxAge)
			m.moved.Store(true)
			time.Sleep(4 * maxAge) // connections at their oldest, and slack for a busy machine
			stale := m.requests[0].Load()
			time.Sleep(maxAge)
			close(stop)
			wg.Wait()
			if n := m.requests[0].Load() - stale; n > 0 {
				t.Errorf("%d requests went to the old address at the end", n)
			}
			if got := m.requests[0].Load() + m.requests[1].Load(); got != sent.Load() || m.requests[1].Load() == 0 {
				t.Errorf("%d attempts made %d requests, %d of them to the new address", sent.Load(), got, m.requests[1].Load())
			}
			// The transport dials some beside those that it then finds idle: more of them on a busy
			// machine.
			if n := m.conns[0].Load() + m.conns[1].Load(); n >= sent.Load() {
				t.Errorf("%d connections were made for %d requests: none was used again", n, sent.Load())
			}
		})
	}
}

func TestIdleConnectionEndsAtItsAge(t *testing.T) {
	t.Parallel()
	m := startMoving(t, "http", func(c *peer) bool { return c.write(ok) })
	o := m.resolver
	o.MaxConnAge = 50 * time.Millisecond
	h := newHTTP(t, o)
	want(t, send(t, h, newRequest(m.url)), dispatch.Delivered, "")
	m.moved.Store(true)
	time.Sleep(100 * time.Millisecond)
	want(t, send(t, h, newRequest(m.url)), dispatch.Delivered, "")
	if first, second := m.requests[0].Load(), m.requests[1].Load(); first != 1 || second != 1 {
		t.Errorf("%d requests went to the old address and %d to the new one, want 1 each", first, second)
	}
}

func TestExchangeOutlastsTheAgeOfItsConnection(t *testing.T) {
	t.Parallel()
	body := "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
	m := startMoving(t, "http", func(c *peer) bool {
		time.Sleep(100 * time.Millisecond)
		return c.write(body) && c.write("done")
	})
	o := m.resolver
	o.MaxConnAge = 20 * time.Millisecond
	h := newHTTP(t, o)
	for range 3 {
		want(t, send(t, h, newRequest(m.url)), dispatch.Delivered, "")
	}
	if n := m.requests[0].Load(); n != 3 {
		t.Errorf("the receiver got %d requests, want 3", n)
	}
	if n := m.conns[0].Load(); n < 3 {
		t.Errorf("there were %d connections for 3 attempts", n)
	}
}

func TestShortestAge(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, answering(ok))
	h := newHTTP(t, dispatch.HTTPOptions{MaxConnAge: 1})
	for range 20 {
		want(t, send(t, h, newRequest(rc.url)), dispatch.Delivered, "")
	}
	if n := len(rc.received()); n != 20 {
		t.Errorf("the receiver got %d requests, want 20", n)
	}
}

// listenOn listens at a loopback address, of which only Linux has more than one.
func listenOn(t *testing.T, ip, port string) (net.Listener, string) {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(ip, port))
	if err != nil {
		t.Skipf("there is no %s here: %v", ip, err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln, fmt.Sprint(ln.Addr().(*net.TCPAddr).Port)
}
