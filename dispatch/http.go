package dispatch

import (
	"context"
	"net/http"

	"github.com/pushhooks/webhook/internal/outbound"
)

// HTTP is the Sender for URLs: it makes attempts as HTTP/1.1 POST requests and reuses connections.
// It is safe for concurrent use. Make one with NewHTTP.
//
// HTTP/2 is not used. It would send all attempts at a receiver through one connection, and when
// that one hangs, they all hang until their timeouts; with as many connections as attempts there is
// nothing to gain from it.
type HTTP struct {
	guard     guard
	proxied   bool
	userAgent []string
	targets   targets
	dialer    *outbound.Dialer
	kept      *http.Transport // keeps connections
	// one connection for each request: for replays, and for untidy receivers
	fresh *http.Transport
}

// NewHTTP returns an HTTP with these options. The error lists every option that is not valid.
func NewHTTP(o HTTPOptions) (*HTTP, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	h := &HTTP{
		guard:     guard{publicOnly: o.PublicOnly},
		proxied:   o.Proxy != nil,
		userAgent: []string{o.UserAgent},
	}
	h.dialer = h.newDialer(o)
	h.kept = o.transport(h.dialer)
	once := *h.dialer
	once.MaxAge = 0 // for one request
	h.fresh = o.transport(&once)
	h.fresh.DisableKeepAlives = true
	return h, nil
}

// Close closes the connections that are idle and gives up those that nobody waits for any more.
// Call it when the last Send has returned; a later Send would open connections again. The error is
// always nil.
func (h *HTTP) Close() error {
	h.kept.CloseIdleConnections()
	h.fresh.CloseIdleConnections()
	return nil
}

// Send makes one attempt at r.URL: a POST of r.Body with r.Header, Webhook-Id, Webhook-Attempt and
// User-Agent, within ctx. It follows no redirects. When the receiver has closed a connection that
// was reused, the request is sent once more on a new one, within the same attempt. A connection on
// which bytes are left over behind an answer is not used again.
//
// A 2xx status is Delivered, whatever becomes of the body. 413 is TooLarge. 410 is Stop, and so is
// an address that may not be dialed and a request that can't be made. The verdict is Unsent when
// nothing was sent for a reason that has nothing to do with the receiver: this host lacks file
// descriptors, ports, buffers or a route, no name server answers, or the proxy can't be reached.
// All else is Retry. The constants named Reason… are the reasons.
func (h *HTTP) Send(ctx context.Context, r *Request) Outcome {
	return h.send(ctx, r).Clean()
}

func (h *HTTP) send(ctx context.Context, r *Request) Outcome {
	t, err := h.target(r.URL)
	if err != nil {
		return unsendable(err)
	}
	transport := h.kept
	if t.record.Untidy() {
		transport = h.fresh
	}
	a := h.newAttempt(r, t)
	resp, err := a.roundTrip(ctx, transport) //nolint:bodyclose // answer closes it
	if err != nil && a.mayReplay(ctx) {
		a.end()
		a = h.newAttempt(r, t)
		resp, err = a.roundTrip(ctx, h.fresh) //nolint:bodyclose // answer closes it
	}
	defer a.end()
	if err != nil {
		return a.failure(ctx, err)
	}
	return answer(resp, t)
}

// target returns the parsed URL, or why no request to it is made.
func (h *HTTP) target(rawURL string) (*target, error) {
	t, err := h.targets.get(rawURL)
	if err != nil || !h.proxied || t.addr == nil {
		return t, err
	}
	return t, h.guard.checkAddr(*t.addr)
}

// newDialer returns a dialer that permits the addresses that h.guard does. A proxy resolves the
// names itself.
func (h *HTTP) newDialer(o HTTPOptions) *outbound.Dialer {
	d := &outbound.Dialer{
		Resolver:       o.Resolver,
		Check:          h.guard.check,
		Dial:           o.DialContext,
		TLS:            o.tlsConfig(),
		ConnectTimeout: o.ConnectTimeout,
		TLSTimeout:     o.TLSTimeout,
		MaxAge:         o.MaxConnAge,
	}
	if h.proxied {
		d.Check = nil
		d.Proxy = http.ProxyURL(o.Proxy)
	}
	return d
}
