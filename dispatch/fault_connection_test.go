package dispatch_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/pushhooks/webhook/dispatch"
)

// Not parallel, so that the goroutines are its own.
func TestFault01TLSHandshakeNeverAnswered(t *testing.T) {
	before := goleak.IgnoreCurrent()
	closed := make(chan struct{}, 1)
	rc := startReceiver(t, func(c *peer) {
		c.untilClosed()
		closed <- struct{}{}
	})
	h := newHTTP(t, dispatch.HTTPOptions{TLSTimeout: 100 * time.Millisecond})
	out := send(t, h, newRequest("https://"+rc.addr))
	want(t, out, dispatch.Retry, dispatch.ReasonTLSTimeout)
	select {
	case <-closed:
	case <-time.After(soon):
		t.Fatal("the connection stayed open")
	}
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("github.com/pushhooks/webhook/dispatch_test.(*receiver).accept"))
}

func TestFault01DeadlineBeforeTheTLSTimeout(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, (*peer).untilClosed)
	out := sendWithin(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest("https://"+rc.addr), 100*time.Millisecond)
	want(t, out, dispatch.Retry, dispatch.ReasonTimeout)
	if !strings.Contains(out.Err.Error(), "no connection") {
		t.Errorf("error %q does not say what was missing", out.Err)
	}
}

func TestFault02ConnectionNeverAccepted(t *testing.T) {
	t.Parallel()
	url := "http://" + deafListener(t)
	h := newHTTP(t, dispatch.HTTPOptions{ConnectTimeout: 100 * time.Millisecond})
	want(t, send(t, h, newRequest(url)), dispatch.Retry, dispatch.ReasonConnectTimeout)
}

func TestFault02OthersDoNotWait(t *testing.T) {
	t.Parallel()
	deaf := "http://" + deafListener(t)
	rc := startReceiver(t, answering(ok))
	h := newHTTP(t, dispatch.HTTPOptions{ConnectTimeout: time.Hour})

	ctx, cancel := context.WithCancel(t.Context())
	hung := make(chan dispatch.Outcome, 20)
	for range cap(hung) {
		go func() { hung <- h.Send(ctx, newRequest(deaf)) }()
	}
	for range 200 {
		want(t, send(t, h, newRequest(rc.url)), dispatch.Delivered, "")
	}
	if len(hung) != 0 {
		t.Errorf("%d attempts at the deaf receiver ended: %+v", len(hung), <-hung)
	}
	cancel()
	for range cap(hung) {
		want(t, <-hung, dispatch.Retry, dispatch.ReasonCanceled)
	}
}

// deafListener returns the address of a listener that accepts nothing and whose queue is full, so that
// the kernel drops what else wants to connect.
func deafListener(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for {
		conn, err := net.DialTimeout("tcp", addr, 100*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
}

func TestFault09ResetOnAFreshConnection(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, func(c *peer) {
		c.read()
		c.reset()
	})
	out := send(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest(rc.url))
	want(t, out, dispatch.Retry, dispatch.ReasonReset)
	if n := len(rc.received()); n != 1 {
		t.Errorf("the receiver got %d requests, want 1", n)
	}
}

func TestFault09ResetOnAReusedConnectionIsReplayed(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, func(c *peer) {
		if c.read() && c.write(ok) && c.read() {
			c.reset()
		}
	})
	h := newHTTP(t, dispatch.HTTPOptions{})
	for range 3 { // each but the first is on a connection that had a request, or follows a replay
		want(t, send(t, h, newRequest(rc.url)), dispatch.Delivered, "")
	}
	if n := len(rc.received()); n != 4 {
		t.Errorf("the receiver got %d requests, want 3 and 1 replay", n)
	}
}

func TestFault09OnlyOneReplay(t *testing.T) {
	t.Parallel()
	const conns = 5
	ready, healthy := make(chan struct{}, conns), make(chan struct{})
	rc := startReceiver(t, func(c *peer) {
		if c.number > conns {
			c.read()
			c.reset()
			return
		}
		c.read()
		ready <- struct{}{}
		<-healthy
		c.write(ok)
		c.read()
		c.reset()
	})
	h := newHTTP(t, dispatch.HTTPOptions{})
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() { want(t, send(t, h, newRequest(rc.url)), dispatch.Delivered, "") })
	}
	for range conns {
		<-ready
	}
	close(healthy)
	wg.Wait()

	out := send(t, h, newRequest(rc.url))
	want(t, out, dispatch.Retry, dispatch.ReasonReset)
	if n := len(rc.received()) - conns; n != 2 {
		t.Errorf("the receiver got %d requests, want 1 and 1 replay", n)
	}
}

func TestFault09NoReplayAfterAByteOfAnAnswer(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, func(c *peer) {
		if c.read() && c.write(ok) && c.read() {
			c.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")
		}
	})
	h := newHTTP(t, dispatch.HTTPOptions{})
	want(t, send(t, h, newRequest(rc.url)), dispatch.Delivered, "")
	want(t, send(t, h, newRequest(rc.url)), dispatch.Retry, dispatch.ReasonReset)
	if n := len(rc.received()); n != 2 {
		t.Errorf("the receiver got %d requests, want 2", n)
	}
}

func TestFault11ClosedIdleConnectionCostsNoAttempt(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, func(c *peer) {
		c.read()
		c.write(ok) // and closes, though it did not say so
	})
	h := newHTTP(t, dispatch.HTTPOptions{})
	for range 50 {
		want(t, send(t, h, newRequest(rc.url)), dispatch.Delivered, "")
	}
	if n := len(rc.received()); n != 50 {
		t.Errorf("the receiver got %d requests, want 50", n)
	}
}

func TestFault17NamesThatDoNotResolve(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]dnsmessage.RCode{
		"NXDOMAIN": dnsmessage.RCodeNameError, "SERVFAIL": dnsmessage.RCodeServerFailure,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resolver := startDNS(t, func(int) (dnsmessage.RCode, string) { return code, "" })
			h := newHTTP(t, dispatch.HTTPOptions{Resolver: resolver})
			out := send(t, h, newRequest("https://user:hunter2@receiver.test/hunter2?hunter2"))
			want(t, out, dispatch.Retry, dispatch.ReasonDNS)
			if strings.Contains(out.Err.Error(), "hunter2") {
				t.Errorf("error %q shows more than scheme and host", out.Err)
			}
		})
	}
}

func TestFault18NameThatTurnsPrivate(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, answering(ok))
	resolver := startDNS(t, func(n int) (dnsmessage.RCode, string) {
		if n == 1 {
			return dnsmessage.RCodeSuccess, "8.8.8.8"
		}
		return dnsmessage.RCodeSuccess, "127.0.0.1"
	})
	first, err := resolver.LookupNetIP(t.Context(), "ip4", "receiver.test.")
	if err != nil || first[0].String() != "8.8.8.8" {
		t.Fatalf("the name resolves to %v, %v", first, err)
	}
	_, port, _ := net.SplitHostPort(rc.addr)
	h := newHTTP(t, dispatch.HTTPOptions{Resolver: resolver, PublicOnly: true})
	out := send(t, h, newRequest("http://receiver.test.:"+port))
	want(t, out, dispatch.Stop, dispatch.ReasonBlockedAddress)
	if n := rc.connections(); n != 0 {
		t.Errorf("the receiver saw %d connections", n)
	}
}

// Not parallel: it sets the environment.
func TestFault20ProxyOfTheEnvironmentIsIgnored(t *testing.T) {
	proxy := startReceiver(t, answering(ok))
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		t.Setenv(name, "http://"+proxy.addr)
	}
	rc := startReceiver(t, answering(ok))
	_, port, _ := net.SplitHostPort(rc.addr)
	// Loopback addresses would be exempt from the environment's proxy; a name is not.
	h := newHTTP(t, dispatch.HTTPOptions{Resolver: startDNS(t, resolvesTo("127.0.0.1"))})
	want(t, send(t, h, newRequest("http://receiver.test.:"+port)), dispatch.Delivered, "")
	if n := proxy.connections(); n != 0 {
		t.Errorf("the proxy saw %d connections", n)
	}
}

func resolvesTo(ip string) func(int) (dnsmessage.RCode, string) {
	return func(int) (dnsmessage.RCode, string) { return dnsmessage.RCodeSuccess, ip }
}

// startDNS starts a name server and returns a resolver that asks it. It answers the nth question for an IPv4 address as
// zone says, and every other question with nothing, or zone's error.
func startDNS(t *testing.T, zone func(n int) (dnsmessage.RCode, string)) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { serveDNS(conn, zone) })
	t.Cleanup(func() {
		_ = conn.Close()
		wg.Wait()
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func serveDNS(conn net.PacketConn, zone func(n int) (dnsmessage.RCode, string)) {
	buf := make([]byte, 1500)
	for n := 0; ; {
		size, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(buf[:size]); err != nil {
			continue
		}
		code, ip := zone(n)
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			n++
			code, ip = zone(n)
			if ip != "" {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 0},
					Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(ip).To4())},
				}}
			}
		}
		m.Response, m.RCode, m.Additionals = true, code, nil
		reply, err := m.Pack()
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(reply, from)
	}
}

// starvedEnv makes the test binary run runStarved instead of tests.
const starvedEnv = "DISPATCH_TEST_STARVED"

func TestFault25OutOfFileDescriptors(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), starvedEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// runStarved makes attempts while the process has no file descriptor left, and when it has some again.
func runStarved() int {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return complain(err)
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				continue // while starved
			}
			go func() {
				c := &peer{Conn: conn, rc: &receiver{}, in: bufio.NewReader(conn)}
				answering(ok)(c)
			}()
		}
	}()
	h, err := dispatch.NewHTTP(dispatch.HTTPOptions{})
	if err != nil {
		return complain(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	files := starve()
	for _, host := range []string{"127.0.0.1", "localhost", "receiver.invalid"} {
		out := h.Send(context.Background(), newRequest("http://"+host+":"+port))
		if out.Verdict != dispatch.Unsent || out.Reason != dispatch.ReasonLocal {
			return complain(fmt.Errorf("starved, %s: %v %s: %w", host, out.Verdict, out.Reason, out.Err))
		}
	}
	for _, f := range files {
		_ = f.Close()
	}
	out := h.Send(context.Background(), newRequest("http://127.0.0.1:"+port))
	if out.Verdict != dispatch.Delivered {
		return complain(fmt.Errorf("afterwards: %v: %w", out.Verdict, out.Err))
	}
	return 0
}

// starve opens files until the process may open no more.
func starve() []*os.File {
	limit := syscall.Rlimit{Cur: 100, Max: 100}
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	var files []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return files
		}
		files = append(files, f)
	}
}

func complain(err error) int {
	fmt.Println(err)
	return 1
}
