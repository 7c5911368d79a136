// Package outbound opens the connections to receivers, for the senders of package dispatch and
// those of AWS Lambda alike: it resolves names, tries their addresses, passes proxies and TLS,
// limits the age of connections, guards them against bytes that are left over behind an answer, and
// classifies what fails.
package outbound

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"syscall"
	"time"
)

// Dialer opens connections for an http.Transport. Its fields are not changed once Install was
// called.
type Dialer struct {
	// Resolver looks up host names. Nil is net.DefaultResolver.
	Resolver *net.Resolver

	// Check returns an error for an IP address and port that must not be dialed. Nil permits all.
	Check func(ipPort string) error

	// Dial opens connections instead of a net.Dialer. Neither Resolver nor Check are used then.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Proxy returns the proxy for a request, as in an http.Transport. Nil is no proxy.
	Proxy func(*http.Request) (*url.URL, error)

	// TLS is for handshakes with receivers and proxies. Nil is the zero configuration.
	TLS *tls.Config

	// ConnectTimeout bounds resolving a name, connecting, and the tunnel through a proxy.
	ConnectTimeout time.Duration

	// TLSTimeout bounds a handshake.
	TLSTimeout time.Duration

	// MaxAge bounds the age of a connection; 0 is no limit.
	MaxAge time.Duration
}

// Install has t open its connections with d. They are HTTP/1.1.
func (d *Dialer) Install(t *http.Transport) {
	t.DialContext = d.dialPlain
	t.DialTLSContext = d.dialTLS
	t.Proxy = nil
	if d.Proxy != nil {
		t.Proxy = d.forwardProxy
	}
	t.ForceAttemptHTTP2 = false
	t.TLSNextProto = nil
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
}

// requestKey is the key of a *request in a context. A dial inherits it from the request that needs
// it.
type requestKey struct{}

// request is what a dial has to know of the request.
type request struct {
	scheme   string
	deadline time.Time // zero: none that matters
}

// Context returns the context for a request to a URL with this scheme: a dial does not inherit the
// deadline of ctx by itself.
func (d *Dialer) Context(ctx context.Context, scheme string) context.Context {
	deadline, ok := ctx.Deadline()
	if !ok || time.Until(deadline) > d.ConnectTimeout {
		deadline = time.Time{}
	}
	if d.Proxy == nil && deadline.IsZero() {
		return ctx
	}
	return context.WithValue(ctx, requestKey{}, &request{scheme, deadline})
}

func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return &request{scheme: "https"}
}

// forwardProxy returns the proxy that gets the request itself. All others are passed in dialPlain
// and dialTLS, so that a Conn never carries anything but HTTP.
func (d *Dialer) forwardProxy(r *http.Request) (*url.URL, error) {
	proxy, err := d.Proxy(r)
	if err != nil || proxy == nil || r.URL.Scheme == "https" || isSOCKS(proxy) {
		return nil, err
	}
	return proxy, nil
}

// dialPlain connects to addr: a receiver's or a forward proxy's.
func (d *Dialer) dialPlain(ctx context.Context, _, addr string) (net.Conn, error) {
	began := time.Now()
	proxy, err := d.proxyFor("http", addr)
	if err != nil {
		return nil, err
	}
	var s *socket
	switch {
	case proxy == nil:
		s, err = d.connect(ctx, toReceiver, addr)
	case isSOCKS(proxy):
		s, err = d.tunnel(ctx, proxy, addr)
	default:
		s, err = d.connect(ctx, toProxy, addr)
	}
	if err != nil {
		return nil, err
	}
	return newConn(s, s, d.MaxAge, began), nil
}

// dialTLS connects to addr over TLS: an https receiver's, through a tunnel if it has a proxy, or
// that of a forward proxy that speaks TLS.
func (d *Dialer) dialTLS(ctx context.Context, _, addr string) (net.Conn, error) {
	began, at := time.Now(), handshake
	var s *socket
	proxy, err := d.proxyFor("https", addr)
	switch {
	case err != nil:
	case requestOf(ctx).scheme == "http":
		at = toProxy
		s, err = d.connect(ctx, toProxy, addr)
	case proxy == nil:
		s, err = d.connect(ctx, toReceiver, addr)
	default:
		s, err = d.tunnel(ctx, proxy, addr)
	}
	if err != nil {
		return nil, err
	}
	conn, err := d.handshake(ctx, s, addr)
	if err != nil {
		return nil, &stepError{at, err}
	}
	return newConn(conn, s, d.MaxAge, began), nil
}

func (d *Dialer) proxyFor(scheme, addr string) (*url.URL, error) {
	if d.Proxy == nil {
		return nil, nil
	}
	return d.Proxy(&http.Request{URL: &url.URL{Scheme: scheme, Host: addr}})
}

// connect opens a TCP connection within the connect timeout.
func (d *Dialer) connect(ctx context.Context, at step, addr string) (*socket, error) {
	ctx, cancel := context.WithTimeout(ctx, d.ConnectTimeout)
	defer cancel()
	dial := d.Dial
	if dial == nil {
		dial = d.dialName
	}
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, &stepError{at, err}
	}
	return newSocket(conn), nil
}

// dialOne connects to an IP address and port. Check is asked when the socket is about to connect.
func (d *Dialer) dialOne(ctx context.Context, ipPort string) (net.Conn, error) {
	var nd net.Dialer
	if d.Check != nil {
		nd.Control = func(_, ipPort string, _ syscall.RawConn) error {
			if err := d.Check(ipPort); err != nil {
				return &refusedError{err}
			}
			return nil
		}
	}
	return nd.DialContext(ctx, "tcp", ipPort)
}

// handshake makes a TLS connection over conn, which is closed if that fails.
func (d *Dialer) handshake(ctx context.Context, conn net.Conn, addr string) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.TLSTimeout)
	defer cancel()
	config := &tls.Config{}
	if d.TLS != nil {
		config = d.TLS.Clone()
	}
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			_ = conn.Close()
			return nil, err
		}
		config.ServerName = host
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	secured := tls.Client(conn, config)
	err := secured.HandshakeContext(ctx)
	if trace != nil && trace.TLSHandshakeDone != nil {
		trace.TLSHandshakeDone(secured.ConnectionState(), err)
	}
	if err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("no TLS handshake within %v: %w", d.TLSTimeout, ctx.Err())
		}
		return nil, err
	}
	return secured, nil
}
