package dispatch_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
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
}

func TestNameWithAddressesOfBothKinds(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, answering(ok))
	_, port, _ := net.SplitHostPort(rc.addr)
	h := newHTTP(t, dispatch.HTTPOptions{Resolver: startDNS(t, resolvesTo("169.254.169.254", "127.0.0.1", "0.0.0.0"))})
	want(t, send(t, h, newRequest("http://receiver.test.:"+port)), dispatch.Delivered, "")

	// That the permitted address can't be reached now must not end the job: nobody connects to a broadcast address.
	h = newHTTP(t, dispatch.HTTPOptions{Resolver: startDNS(t, resolvesTo("168.63.129.16", "255.255.255.255"))})
	want(t, send(t, h, newRequest("http://receiver.test.:"+port)), dispatch.Retry, dispatch.ReasonConnect)

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

func resolvesTo(ips ...string) func(int) (dnsmessage.RCode, []string) {
	return func(int) (dnsmessage.RCode, []string) { return dnsmessage.RCodeSuccess, ips }
}

// startDNS starts a name server and returns a resolver that asks it. It answers the nth question for an IPv4 address as
// zone says, and every other question with nothing, or zone's error.
func startDNS(t *testing.T, zone func(n int) (dnsmessage.RCode, []string)) *net.Resolver {
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

func serveDNS(conn net.PacketConn, zone func(n int) (dnsmessage.RCode, []string)) {
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
		q := m.Questions[0]
		if q.Type == dnsmessage.TypeA {
			n++
		}
		code, ips := zone(n)
		for _, ip := range ips {
			if q.Type == dnsmessage.TypeA {
				m.Answers = append(m.Answers, addressRecord(q, ip))
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

func addressRecord(q dnsmessage.Question, ip string) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class},
		Body:   &dnsmessage.AResource{A: netip.MustParseAddr(ip).As4()},
	}
}
