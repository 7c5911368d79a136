package dispatch_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/pushhooks/webhook/dispatch"
)

func TestFault17NamesThatDoNotResolve(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]dnsmessage.RCode{
		"NXDOMAIN": dnsmessage.RCodeNameError, "SERVFAIL": dnsmessage.RCodeServerFailure,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resolver := startDNS(t, func(int) (dnsmessage.RCode, []string) { return code, nil })
			h := newHTTP(t, dispatch.HTTPOptions{Resolver: resolver})
			out := send(t, h, newRequest("https://user:hunter2@receiver.test/hunter2?hunter2"))
			want(t, out, dispatch.Retry, dispatch.ReasonDNS)
			if strings.Contains(out.Err.Error(), "hunter2") {
				t.Errorf("error %q shows more than scheme and host", out.Err)
			}
		})
	}
}

func TestFault17NameServerThatIsSilent(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	t.Cleanup(func() { _ = there.Close() }) // the resolver waits longer than its caller does
	resolver := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return here, nil
	}}
	h := newHTTP(t, dispatch.HTTPOptions{Resolver: resolver, ConnectTimeout: 100 * time.Millisecond})
	want(t, send(t, h, newRequest("http://receiver.test.")), dispatch.Unsent, dispatch.ReasonDNS)

	// So it is when the attempt ends before the connect timeout.
	h = newHTTP(t, dispatch.HTTPOptions{Resolver: resolver})
	out := sendWithin(t, h, newRequest("http://receiver.test."), 500*time.Millisecond)
	want(t, out, dispatch.Unsent, dispatch.ReasonDNS)
}

func TestNameWithAddressesOfBothKinds(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, answering(ok))
	_, port, _ := net.SplitHostPort(rc.addr)
	h := newHTTP(t, dispatch.HTTPOptions{Resolver: startDNS(t, resolvesTo("169.254.169.254", "127.0.0.1", "0.0.0.0"))})
	want(t, send(t, h, newRequest("http://receiver.test.:"+port)), dispatch.Delivered, "")

	// That the permitted address can't be reached now must not end the job: there is no route to a
	// broadcast address.
	h = newHTTP(t, dispatch.HTTPOptions{Resolver: startDNS(t, resolvesTo("168.63.129.16", "255.255.255.255"))})
	out := send(t, h, newRequest("http://receiver.test.:"+port))
	if out.Verdict == dispatch.Stop || out.Reason != dispatch.ReasonConnect {
		t.Errorf("outcome is %+v", out)
	}

	h = newHTTP(t, dispatch.HTTPOptions{Resolver: startDNS(t, resolvesTo("169.254.169.254", "0.0.0.0"))})
	want(t, send(t, h, newRequest("http://receiver.test.:"+port)), dispatch.Stop, dispatch.ReasonBlockedAddress)
}

func TestFault18NameThatTurnsPrivate(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, answering(ok))
	resolver := startDNS(t, func(n int) (dnsmessage.RCode, []string) {
		if n == 1 {
			return dnsmessage.RCodeSuccess, []string{"8.8.8.8"}
		}
		return dnsmessage.RCodeSuccess, []string{"127.0.0.1"}
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

func TestEveryAttemptCanReachEachAddress(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, answering(ok))
	_, port, _ := net.SplitHostPort(rc.addr)
	dead := []string{"127.0.0.2", "127.0.0.3"}
	for _, ip := range dead {
		deafListenerOn(t, ip, port)
	}
	for i, ips := range [][]string{append(dead, "127.0.0.1"), {dead[0], "127.0.0.1", dead[1]}, {"127.0.0.1", dead[0], dead[1]}} {
		h := newHTTP(t, dispatch.HTTPOptions{Resolver: startDNS(t, resolvesTo(ips...))})
		out := send(t, h, newRequest("http://receiver.test.:"+port))
		if out.Verdict != dispatch.Delivered {
			t.Errorf("with the receiver in place %d of 3: %v, %v", 3-i, out.Verdict, out.Err)
		}
	}
	h := newHTTP(t, dispatch.HTTPOptions{Resolver: startDNS(t, resolvesTo(dead...)), ConnectTimeout: 300 * time.Millisecond})
	want(t, send(t, h, newRequest("http://receiver.test.:"+port)), dispatch.Retry, dispatch.ReasonConnectTimeout)
}

func TestManyAddressesOfWhichOneWorks(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, answering(ok))
	_, port, _ := net.SplitHostPort(rc.addr)
	var ips []string
	for i := range 15 {
		ips = append(ips, fmt.Sprintf("127.0.1.%d", i+1)) // refused
	}
	listenOn(t, ips[0], "0") // skips the test where 127.0.0.1 is the only address of its network
	h := newHTTP(t, dispatch.HTTPOptions{Resolver: startDNS(t, resolvesTo(append(ips, "127.0.0.1")...))})
	want(t, send(t, h, newRequest("http://receiver.test.:"+port)), dispatch.Delivered, "")
	h = newHTTP(t, dispatch.HTTPOptions{Resolver: startDNS(t, resolvesTo(ips...))})
	want(t, send(t, h, newRequest("http://receiver.test.:"+port)), dispatch.Retry, dispatch.ReasonConnect)
}

func TestNameServerThatIsSilentAboutOneFamily(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, answering(ok))
	_, port, _ := net.SplitHostPort(rc.addr)
	resolver := startNameServer(t, func(q dnsmessage.Question) (dnsmessage.RCode, []string, bool) {
		return dnsmessage.RCodeSuccess, []string{"127.0.0.1"}, q.Type == dnsmessage.TypeA
	})
	h := newHTTP(t, dispatch.HTTPOptions{Resolver: resolver})
	start := time.Now()
	want(t, send(t, h, newRequest("http://receiver.test.:"+port)), dispatch.Delivered, "")
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("the silence about IPv6 cost %v", took)
	}

	six, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("there is no IPv6 here: %v", err)
	}
	rc = startReceiverOn(t, six, answering(ok))
	_, port, _ = net.SplitHostPort(rc.addr)
	resolver = startNameServer(t, func(q dnsmessage.Question) (dnsmessage.RCode, []string, bool) {
		return dnsmessage.RCodeSuccess, []string{"::1"}, q.Type == dnsmessage.TypeAAAA
	})
	h = newHTTP(t, dispatch.HTTPOptions{Resolver: resolver})
	want(t, send(t, h, newRequest("http://receiver.test.:"+port)), dispatch.Delivered, "")

	// Both families are there, and nobody listens at the IPv4 address.
	resolver = startNameServer(t, func(q dnsmessage.Question) (dnsmessage.RCode, []string, bool) {
		if q.Type == dnsmessage.TypeAAAA {
			return dnsmessage.RCodeSuccess, []string{"::1"}, true
		}
		return dnsmessage.RCodeSuccess, []string{"127.0.1.1"}, true
	})
	h = newHTTP(t, dispatch.HTTPOptions{Resolver: resolver})
	want(t, send(t, h, newRequest("http://receiver.test.:"+port)), dispatch.Delivered, "")
}

// No answer for one family is the name's fault when there is one for the other.
func TestNameWithoutAddressesAndASilentFamily(t *testing.T) {
	t.Parallel()
	resolver := startNameServer(t, func(q dnsmessage.Question) (dnsmessage.RCode, []string, bool) {
		return dnsmessage.RCodeNameError, nil, q.Type == dnsmessage.TypeA
	})
	h := newHTTP(t, dispatch.HTTPOptions{Resolver: resolver, ConnectTimeout: 100 * time.Millisecond})
	want(t, send(t, h, newRequest("http://receiver.test.")), dispatch.Retry, dispatch.ReasonDNS)
}

func TestNameServerThatIsDown(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := conn.LocalAddr().String()
	_ = conn.Close()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", addr)
	}}
	h := newHTTP(t, dispatch.HTTPOptions{Resolver: resolver})
	want(t, send(t, h, newRequest("http://receiver.test.")), dispatch.Unsent, dispatch.ReasonDNS)
}

func TestNoRouteIsUnsent(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN} {
		h := newHTTP(t, dispatch.HTTPOptions{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errno}
		}})
		want(t, send(t, h, newRequest("http://receiver.test")), dispatch.Unsent, dispatch.ReasonConnect)
	}
}

func resolvesTo(ips ...string) func(int) (dnsmessage.RCode, []string) {
	return func(int) (dnsmessage.RCode, []string) { return dnsmessage.RCodeSuccess, ips }
}

// startDNS starts a name server and returns a resolver that asks it. It answers the nth question
// for an IPv4 address as zone says, and every other question with nothing, or zone's error.
func startDNS(t *testing.T, zone func(n int) (dnsmessage.RCode, []string)) *net.Resolver {
	t.Helper()
	n := 0
	return startNameServer(t, func(q dnsmessage.Question) (dnsmessage.RCode, []string, bool) {
		if q.Type == dnsmessage.TypeA {
			n++
		}
		code, ips := zone(n)
		if q.Type != dnsmessage.TypeA {
			ips = nil
		}
		return code, ips, true
	})
}

// startNameServer starts a name server and returns a resolver that asks it. It answers a question
// as zone says, or not at all.
func startNameServer(t *testing.T, zone func(q dnsmessage.Question) (dnsmessage.RCode, []string, bool)) *net.Resolver {
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

func serveDNS(conn net.PacketConn, zone func(q dnsmessage.Question) (dnsmessage.RCode, []string, bool)) {
	buf := make([]byte, 1500)
	for {
		size, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(buf[:size]); err != nil {
			continue
		}
		code, ips, answered := zone(m.Questions[0])
		if !answered {
			continue
		}
		for _, ip := range ips {
			m.Answers = append(m.Answers, addressRecord(m.Questions[0], ip))
		}
		m.Response, m.RCode, m.Additionals = true, code, nil
		reply, err := m.Pack()
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(reply, from)
	}
}

func addressRecord(q dnsmessage.Question, ip string) dnsmessage.Resource {
	r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}}
	if addr := netip.MustParseAddr(ip); addr.Is4() {
		r.Body = &dnsmessage.AResource{A: addr.As4()}
	} else {
		r.Body = &dnsmessage.AAAAResource{AAAA: addr.As16()}
	}
	return r
}
