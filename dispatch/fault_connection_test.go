package dispatch_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/subprocess"
	"go.uber.org/goleak"
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

// deafListener returns the address of a listener that accepts nothing and whose queue is full, so
// that the kernel drops what else wants to connect.
func deafListener(t *testing.T) string {
	t.Helper()
	return deafListenerOn(t, "127.0.0.1", "0")
}

func deafListenerOn(t *testing.T, ip, port string) string {
	t.Helper()
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: number, Addr: netip.MustParseAddr(ip).As4()}); err != nil {
		t.Skipf("there is no %s here: %v", ip, err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort(ip, strconv.Itoa(name.(*syscall.SockaddrInet4).Port))
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
	for range 3 { // the third finds no connection, because a replay's is not kept
		want(t, send(t, h, newRequest(rc.url)), dispatch.Delivered, "")
	}
	if n := len(rc.received()); n != 4 {
		t.Errorf("the receiver got %d requests, want 3 and 1 replay", n)
	}
}

func TestFault09OneReplayOnAFreshConnection(t *testing.T) {
	t.Parallel()
	h, rc := staleConnections(t, answering(ok))
	before := len(rc.received())
	want(t, send(t, h, newRequest(rc.url)), dispatch.Delivered, "")
	if n := len(rc.received()) - before; n != 2 {
		t.Errorf("the receiver got %d requests, want 1 and 1 replay", n)
	}
}

func TestFault09OnlyOneReplay(t *testing.T) {
	t.Parallel()
	h, rc := staleConnections(t, func(c *peer) {
		c.read()
		c.reset()
	})
	before := len(rc.received())
	want(t, send(t, h, newRequest(rc.url)), dispatch.Retry, dispatch.ReasonReset)
	if n := len(rc.received()) - before; n != 2 {
		t.Errorf("the receiver got %d requests, want 1 and 1 replay", n)
	}
}

// staleConnections returns a sender that keeps five connections, each of which the receiver resets
// when another request comes. What it does on new connections is for fresh to say.
func staleConnections(t *testing.T, fresh func(c *peer)) (*dispatch.HTTP, *receiver) {
	const stale = 5
	var arrived, all sync.WaitGroup
	arrived.Add(stale)
	rc := startReceiver(t, func(c *peer) {
		if c.number > stale {
			fresh(c)
			return
		}
		c.read()
		arrived.Done()
		arrived.Wait()
		c.write(ok)
		c.read()
		c.reset()
	})
	h := newHTTP(t, dispatch.HTTPOptions{})
	for range stale {
		all.Go(func() { want(t, send(t, h, newRequest(rc.url)), dispatch.Delivered, "") })
	}
	all.Wait()
	return h, rc
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

// proxiedEnv says that the test runs again, in an environment with a proxy.
const proxiedEnv = "DISPATCH_TEST_PROXIED"

// The environment is read once a process, so it takes another one.
func TestFault20ProxyOfTheEnvironmentIsIgnored(t *testing.T) {
	t.Parallel()
	if os.Getenv(proxiedEnv) == "" {
		proxy := startReceiver(t, answering(ok))
		env := []string{proxiedEnv + "=1"}
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
			env = append(env, name+"=http://"+proxy.addr, strings.ToLower(name)+"=http://"+proxy.addr)
		}
		runSelf(t, env, "-test.run=^"+t.Name()+"$")
		if n := proxy.connections(); n != 0 {
			t.Errorf("the proxy saw %d connections", n)
		}
		return
	}
	rc := startReceiver(t, answering(ok))
	_, port, _ := net.SplitHostPort(rc.addr)
	// A loopback address would be exempt from the environment's proxy; a name is not.
	h := newHTTP(t, dispatch.HTTPOptions{Resolver: startDNS(t, resolvesTo("127.0.0.1"))})
	want(t, send(t, h, newRequest("http://receiver.test.:"+port)), dispatch.Delivered, "")
}

// runSelf runs the test binary in a process of its own.
func runSelf(t *testing.T, env []string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), env...)
	subprocess.EndWithParent(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// starvedEnv makes the test binary run runStarved instead of tests.
const starvedEnv = "DISPATCH_TEST_STARVED"

func TestFault25OutOfFileDescriptors(t *testing.T) {
	t.Parallel()
	if !mayLimitFiles {
		t.Skip("this system has no limit of file descriptors that a process sets itself")
	}
	runSelf(t, []string{starvedEnv + "=1"})
}

// runStarved makes attempts while the process has no file descriptor left, and when it has some
// again.
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
	limitFiles()
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
