package dispatch

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"

	"github.com/pushhooks/webhook/internal/outbound"
)

// attempt is one request on its way, and how far it got: what an error means depends on that. Its
// parts are in one piece of memory, because one is made for each request.
type attempt struct {
	target *target
	dialer *outbound.Dialer
	header http.Header
	added  [2]string // values of Webhook-Id and Webhook-Attempt
	size   int64
	body   bytes.Reader
	trace  httptrace.ClientTrace

	conn      *outbound.Conn // of this exchange; nil before, and afterwards
	connected bool           // it had a connection,
	reused    bool           // on which there had been requests before
	unfit     bool           // or which was not fit for another one, so nothing was sent
	answered  atomic.Bool    // the first byte of an answer came
}

func (h *HTTP) newAttempt(r *Request, t *target) *attempt {
	a := &attempt{target: t, dialer: h.dialer, size: int64(len(r.Body))}
	a.body.Reset(r.Body)
	a.trace.GotConn = a.gotConn
	a.trace.GotFirstResponseByte = func() { a.answered.Store(true) }
	a.setHeader(h, r)
	return a
}

// setHeader adds to the request's own headers what each request has.
func (a *attempt) setHeader(h *HTTP, r *Request) {
	a.header = make(http.Header, len(r.Header)+4)
	maps.Copy(a.header, r.Header)
	a.added = [2]string{r.JobID, strconv.Itoa(r.Attempt)}
	a.header["Webhook-Id"] = a.added[0:1:1]
	a.header["Webhook-Attempt"] = a.added[1:2:2]
	if _, ok := a.header["User-Agent"]; !ok {
		a.header["User-Agent"] = h.userAgent
	}
	if _, ok := a.header["Authorization"]; !ok && a.target.auth != nil {
		a.header["Authorization"] = a.target.auth
	}
}

// roundTrip sends the request through t. GetBody stays nil, so that the transport replays nothing
// on its own.
func (a *attempt) roundTrip(ctx context.Context, t *http.Transport) (*http.Response, error) {
	r := http.Request{
		Method:        http.MethodPost,
		URL:           a.target.url,
		Host:          a.target.url.Host,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        a.header,
		Body:          io.NopCloser(&a.body),
		ContentLength: a.size,
	}
	ctx = a.dialer.Context(ctx, a.target.url.Scheme)
	return t.RoundTrip(r.WithContext(httptrace.WithClientTrace(ctx, &a.trace)))
}

func (a *attempt) gotConn(info httptrace.GotConnInfo) {
	a.connected = true
	a.reused = info.Reused
	a.conn.End() // of a request that the transport sends again
	if conn, ok := info.Conn.(*outbound.Conn); ok {
		a.conn = conn
		a.unfit = !conn.Begin(a.target.record)
	}
}

// end says that the exchange is over: the body was read, or it failed.
func (a *attempt) end() {
	a.conn.End()
	a.conn = nil
}

// mayReplay says whether the failed request may be sent again: it was not sent, or the receiver had
// closed a connection that was reused, and answered nothing.
func (a *attempt) mayReplay(ctx context.Context) bool {
	return (a.reused || a.unfit) && !a.answered.Load() && ctx.Err() == nil
}
