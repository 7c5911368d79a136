package dispatch

import (
	"context"
	"net"
	"net/http"
)

// HTTP is the Sender for URLs: it makes attempts as HTTP/1.1 POST requests and reuses connections. It is safe for
// concurrent use. Make one with NewHTTP.
//
// HTTP/2 is not used. It would send all attempts at a receiver through one connection, and when that one hangs,
// they all hang until their timeouts; with as many connections as attempts there is nothing to gain from it.
type HTTP struct {
	guard     guard
	proxied   bool
	userAgent []string
	targets   targets
	kept      *http.Transport // keeps connections
	fresh     *http.Transport // one connection for each request: for replays
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
	h.kept = o.transport(h.dialer(o))
	h.fresh = h.kept.Clone()
	h.fresh.DisableKeepAlives = true
	return h, nil
}

// Close closes the connections that are idle and gives up those that nobody waits for any more. Call it when the last
// Send has returned; a later Send would open connections again. The error is always nil.
func (h *HTTP) Close() error {
	h.kept.CloseIdleConnections()
	h.fresh.CloseIdleConnections()
	return nil
}

// Send makes one attempt at r.URL: a POST of r.Body with r.Header, Webhook-Id, Webhook-Attempt and User-Agent,
// within ctx. It follows no redirects. When the receiver has closed a connection that was reused, the request is sent
// once more on a new one, within the same attempt.
//
// A 2xx status is Delivered, whatever becomes of the body. 413 is TooLarge. 410 is Stop, and so is an address that may
// not be dialed and a request that can't be made. Where this host lacks file descriptors, ports or buffers, the
// verdict is Unsent. All else is Retry. The constants named Reason… are the reasons.
func (h *HTTP) Send(ctx context.Context, r *Request) Outcome {
	t, err := h.target(r.URL)
	if err != nil {
		return unsendable(err)
	}
	a := h.newAttempt(r, t)
	resp, err := a.roundTrip(ctx, h.kept)
	if err != nil && a.mayReplay(ctx) {
		a = h.newAttempt(r, t)
		resp, err = a.roundTrip(ctx, h.fresh)
	}
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

func (h *HTTP) dialer(o HTTPOptions) dialFunc {
	switch {
	case o.DialContext != nil:
		return bounded(o.DialContext, o.ConnectTimeout)
	case h.proxied:
		d := net.Dialer{Resolver: o.Resolver}
		return bounded(d.DialContext, o.ConnectTimeout)
	}
	return bounded(guarded(h.guard, o.Resolver), o.ConnectTimeout)
}
