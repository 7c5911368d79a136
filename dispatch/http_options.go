package dispatch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/pushhooks/webhook/internal/limits"
	"github.com/pushhooks/webhook/internal/outbound"
)

const (
	defaultUserAgent = "pushhooks-webhook/1"

	// maxTimeout bounds each of the timeouts.
	maxTimeout = 24 * time.Hour

	// maxHeaderBytes bounds the answer's headers.
	maxHeaderBytes = 32 << 10

	// maxIdle bounds the idle connections to all receivers together: with thousands of webhooks
	// they would eat the process's file descriptors.
	maxIdle = 500

	// writeBuffer holds the headers and the body of a usual batch, which then leave in one write.
	writeBuffer = 32 << 10
)

// HTTPOptions configures an HTTP. The zero value of every field is its default.
type HTTPOptions struct {
	// PublicOnly refuses addresses that are not on the public Internet: private, loopback and every
	// other special-purpose range of IPv4 and IPv6. Link-local, multicast, unspecified and cloud
	// metadata addresses are refused always. Addresses are checked when they are dialed, after the
	// name was resolved. Defaults to false.
	PublicOnly bool

	// Proxy is the proxy for all requests: http, https or socks5. It resolves the names, so it also
	// has to refuse the addresses: here only addresses that stand in a URL are checked then, in any
	// form that a proxy might read as one (2852039166, 0xa9fea9fe, 127.1). Defaults to no proxy;
	// the environment is never asked for one.
	Proxy *url.URL

	// TLSConfig is for the handshake with receivers: own root certificates, a client certificate.
	// It is copied. Defaults to the system's roots.
	TLSConfig *tls.Config

	// ConnectTimeout bounds resolving a name and connecting, through a proxy too. A name's
	// addresses are tried side by side, each a moment after the last one, so that every attempt can
	// reach any of them. Defaults to 3 seconds.
	ConnectTimeout time.Duration

	// TLSTimeout bounds the TLS handshake. Defaults to 5 seconds.
	TLSTimeout time.Duration

	// IdleTimeout is how long an unused connection is kept. Defaults to 55 seconds, just below
	// what usual load balancers wait.
	IdleTimeout time.Duration

	// MaxConnAge is how old a connection may get: then it is closed, between two requests, and the
	// host name is resolved again for the next one. So a receiver whose name moves to another
	// address is followed, however busy it is. Connections that were opened together are closed up
	// to a tenth earlier, at different times. Defaults to 5 minutes.
	MaxConnAge time.Duration

	// MaxIdlePerHost is how many unused connections to one host are kept: as many as there are
	// attempts at once, else connections are made and closed all the time. Defaults to 20.
	MaxIdlePerHost int

	// UserAgent is sent with requests that have no such header of their own. Defaults to
	// "pushhooks-webhook/1".
	UserAgent string

	// Resolver looks up host names. Defaults to net.DefaultResolver.
	Resolver *net.Resolver

	// DialContext opens connections instead of a net.Dialer: in-memory pipes in tests, say. No
	// address is checked then. Defaults to nil.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)
}

func (o HTTPOptions) validate() error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("dispatch: "+format, args...))
	}
	for _, field := range []struct{ name, problem string }{
		{"ConnectTimeout", limits.Problem(o.ConnectTimeout, 0, maxTimeout)},
		{"TLSTimeout", limits.Problem(o.TLSTimeout, 0, maxTimeout)},
		{"IdleTimeout", limits.Problem(o.IdleTimeout, 0, maxTimeout)},
		{"MaxIdlePerHost", limits.Problem(o.MaxIdlePerHost, 0, limits.Count)},
		{"MaxConnAge", limits.Problem(o.MaxConnAge, 0, maxTimeout)},
	} {
		if field.problem != "" {
			fail("%s %s", field.name, field.problem)
		}
	}
	if !httpguts.ValidHeaderFieldValue(o.UserAgent) {
		fail("UserAgent %q is not a valid header value", o.UserAgent)
	}
	if o.Proxy != nil && !validProxy(o.Proxy) {
		fail("Proxy must be an http, https or socks5 URL with a host, not %s://%s", o.Proxy.Scheme, o.Proxy.Host)
	}
	return errors.Join(errs...)
}

func validProxy(u *url.URL) bool {
	switch strings.ToLower(u.Scheme) {
	case "http", "https", "socks5", "socks5h":
		return u.Hostname() != ""
	}
	return false
}

func (o HTTPOptions) withDefaults() HTTPOptions {
	o.ConnectTimeout = orDefault(o.ConnectTimeout, 3*time.Second)
	o.TLSTimeout = orDefault(o.TLSTimeout, 5*time.Second)
	o.IdleTimeout = orDefault(o.IdleTimeout, 55*time.Second)
	o.MaxConnAge = orDefault(o.MaxConnAge, 5*time.Minute)
	o.MaxIdlePerHost = orDefault(o.MaxIdlePerHost, 20)
	o.UserAgent = orDefault(o.UserAgent, defaultUserAgent)
	return o
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func (o HTTPOptions) transport(d *outbound.Dialer) *http.Transport {
	t := &http.Transport{
		IdleConnTimeout:        o.IdleTimeout,
		MaxIdleConns:           max(maxIdle, o.MaxIdlePerHost),
		MaxIdleConnsPerHost:    o.MaxIdlePerHost,
		MaxResponseHeaderBytes: maxHeaderBytes,
		WriteBufferSize:        writeBuffer,
		DisableCompression:     true,
	}
	d.Install(t)
	return t
}

// tlsConfig returns a copy that agrees on HTTP/1.1 only and resumes sessions.
func (o HTTPOptions) tlsConfig() *tls.Config {
	c := &tls.Config{}
	if o.TLSConfig != nil {
		c = o.TLSConfig.Clone()
	}
	c.NextProtos = []string{"http/1.1"}
	if c.ClientSessionCache == nil {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(maxIdle)
	}
	return c
}
