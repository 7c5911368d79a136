package dispatch_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

// Every kind of proxy, for receivers of both schemes. Connections through it are used again, end at
// their age, and are guarded against bytes behind an answer as all others are.
func TestEveryKindOfProxy(t *testing.T) {
	t.Parallel()
	insecure := &tls.Config{InsecureSkipVerify: true}
	for _, kind := range []string{"http", "https", "socks5"} {
		for _, scheme := range []string{"http", "https"} {
			t.Run(kind+" to "+scheme, func(t *testing.T) {
				t.Parallel()
				tidy := startMoving(t, scheme, func(c *peer) bool { return c.write(ok) })
				u, _ := url.Parse(tidy.url)
				proxy := startProxy(t, kind, "127.0.0.1:"+u.Port())
				h := newHTTP(t, dispatch.HTTPOptions{Proxy: proxy, TLSConfig: insecure})
				for range 3 {
					want(t, send(t, h, newRequest(tidy.url)), dispatch.Delivered, "")
				}
				if n := tidy.conns[0].Load(); n != 1 {
					t.Errorf("three attempts took %d connections", n)
				}
				h = newHTTP(t, dispatch.HTTPOptions{Proxy: proxy, TLSConfig: insecure, MaxConnAge: 20 * time.Millisecond})
				for range 2 {
					want(t, send(t, h, newRequest(tidy.url)), dispatch.Delivered, "")
					time.Sleep(40 * time.Millisecond)
				}
				if n := tidy.conns[0].Load(); n < 3 {
					t.Errorf("the connection was used beyond its age: %d connections", n)
				}

				var requests atomic.Int64
				untidy := startUntidy(t, scheme, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 503 Busy\r\n\r\n", &requests)
				u, _ = url.Parse(untidy)
				h = newHTTP(t, dispatch.HTTPOptions{Proxy: startProxy(t, kind, u.Host), TLSConfig: insecure})
				for range 3 {
					want(t, send(t, h, newRequest(scheme+"://untidy.test/hooks")), dispatch.Delivered, "")
				}
				if n := requests.Load(); n != 3 {
					t.Errorf("three attempts made %d requests", n)
				}
			})
		}
	}
}

// startProxy starts a proxy that connects to addr, whatever it is asked for.
func startProxy(t *testing.T, kind, addr string) *url.URL {
	t.Helper()
	cert := newAuthority(t).cert
	rc := startReceiver(t, func(c *peer) {
		if kind == "https" {
			conn := tls.Server(c.Conn, &tls.Config{Certificates: []tls.Certificate{cert}})
			defer conn.Close()
			c = newPeer(conn, c)
		}
		var first []byte
		if kind == "socks5" {
			if !acceptSOCKS(c) {
				return
			}
		} else if head, err := readHead(c.in); err != nil {
			return
		} else if strings.HasPrefix(head, http.MethodConnect) {
			c.write("HTTP/1.1 200 OK\r\n\r\n")
		} else {
			first = []byte(head)
		}
		relay(c, addr, first)
	})
	return &url.URL{Scheme: kind, Host: rc.addr, User: url.UserPassword("user", "hunter2")}
}

func readHead(r *bufio.Reader) (string, error) {
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String(), err
		}
	}
}

// acceptSOCKS is the server's side of a SOCKS5 handshake with a password.
func acceptSOCKS(c *peer) bool {
	skip := func(n int) bool { _, err := c.in.Discard(n); return err == nil }
	length := func() int { n, _ := c.in.ReadByte(); return int(n) }
	if !skip(1) || !skip(length()) || !c.write("\x05\x02") {
		return false
	}
	if !skip(1) || !skip(length()) || !skip(length()) || !c.write("\x01\x00") {
		return false
	}
	if !skip(4) || !skip(length()) { // a name
		return false
	}
	var port uint16
	return binary.Read(c.in, binary.BigEndian, &port) == nil && c.write("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
}

func relay(c *peer, addr string, first []byte) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write(first)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(conn, c.in)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, conn)
	_ = c.Close()
	<-done
}

func TestHostsThatAreAddressesInDisguise(t *testing.T) {
	t.Parallel()
	proxy := startReceiver(t, answering(ok))
	for name, o := range map[string]dispatch.HTTPOptions{
		"proxy":    {PublicOnly: true, Proxy: &url.URL{Scheme: "http", Host: proxy.addr}},
		"no proxy": {PublicOnly: true},
	} {
		h := newHTTP(t, o)
		for _, host := range []string{
			"2852039166", "0xa9fea9fe", "127.1", "169.254.169.254.", "0251.0376.0251.0376", "169.254.43518", "0", "127.0.0.1.",
			"１６９.254.169.254", "0x7f.0.0.1", "[::ffff:a9fe:a9fe]",
		} {
			for _, rawURL := range []string{"http://" + host + "/latest", "https://" + host + ":8443"} {
				out := send(t, h, newRequest(rawURL))
				if out.Verdict != dispatch.Stop || out.Reason != dispatch.ReasonBlockedAddress {
					t.Errorf("%s, %s: outcome is %v %q, %v", name, rawURL, out.Verdict, out.Reason, out.Err)
				}
			}
		}
		for _, host := range []string{"256.1.1.1", "1.2.3.4.5", "0x1ffffffff"} {
			want(t, send(t, h, newRequest("http://"+host)), dispatch.Stop, dispatch.ReasonBadRequest)
		}
	}
	if n := proxy.connections(); n != 0 {
		t.Errorf("the proxy saw %d connections", n)
	}

	// Where loopback is permitted, another form of it is the same address.
	rc := startReceiver(t, answering(ok))
	_, port, _ := net.SplitHostPort(rc.addr)
	want(t, send(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest("http://127.1:"+port)), dispatch.Delivered, "")
}
