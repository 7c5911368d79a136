// Package webhooktest helps to test a host: a program that emits events. Its [Receiver] takes the
// deliveries over a real connection, verifies and records them, waits for them with a deadline, and
// fails as it is told to:
//
//	r := webhooktest.NewReceiver(t, webhook.Key{Key: "my-key", Secret: "my-secret"})
//	r.Script(webhooktest.Times(3, webhooktest.Status(500))...) // and then 200
//	// … start the host with a webhook to r.URL, and make it emit two events …
//	events := r.WaitEvents(2, 5*time.Second)
//
// [NewMemoryReceiver] does without a socket, so that it also works in a bubble of testing/synctest,
// where minutes of backoff take no time.
package webhooktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
)

// Delivery is one request as it arrived.
type Delivery struct {
	Path    string      // with the query, if there was one
	Header  http.Header // as it arrived
	Body    []byte      // as it arrived
	ID      string      // of the header Webhook-Id: the same in every attempt
	Attempt int         // of the header Webhook-Attempt: 1 for the first; 0 if there was none
	At      time.Time   // when it had been read

	// Err says why the delivery is not as official receivers want it: not signed with one of the
	// keys, not a payload, not a POST, another content type than application/json. It was answered
	// with 401 then.
	Err error

	// Payload is what the delivery says. It is nil if Err is not.
	Payload *webhook.Payload

	// Status is what was answered: 0 before there was an answer, and when the connection was cut
	// instead.
	Status int
}

// taken says whether the sender was told that the delivery is done.
func (d *Delivery) taken() bool { return d.Status/100 == 2 }

// Receiver takes, verifies and records deliveries. All methods may be called by many goroutines at
// once, except that the Wait methods end the test when they fail, which only the test's own
// goroutine may do.
type Receiver struct {
	// URL is what a webhook is to be configured with. Any path may be added to it.
	URL string

	t      testing.TB
	verify webhook.Receiver
	server *http.Server
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	closed func() // closes the server once and waits for its accept loop

	mu         sync.Mutex
	deliveries []*Delivery
	events     []webhook.Event // of the deliveries that were taken
	script     []http.Handler
	otherwise  http.Handler
	changed    chan struct{} // closed and replaced when deliveries or events grow
}

// NewReceiver starts a receiver on a loopback address that takes what is signed with one of the
// keys and answers 200. It is closed when the test ends. It ends the test if it can't listen, or if
// there is no key.
func NewReceiver(t testing.TB, keys ...webhook.Key) *Receiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("webhooktest: %v", err)
	}
	var d net.Dialer
	return start(t, l, d.DialContext, keys)
}

// NewMemoryReceiver starts a receiver that is reached through its DialContext only, over an
// in-memory connection. In a bubble of testing/synctest it must be made in that bubble. In
// everything else it is like that of NewReceiver.
func NewMemoryReceiver(t testing.TB, keys ...webhook.Key) *Receiver {
	t.Helper()
	l := newPipeListener()
	return start(t, l, l.dial, keys)
}

func start(t testing.TB, l net.Listener, dial dialFunc, keys []webhook.Key) *Receiver {
	t.Helper()
	r := &Receiver{
		URL:       "http://" + l.Addr().String(),
		t:         t,
		verify:    webhook.Receiver{Keys: keys},
		dial:      dial,
		otherwise: Status(http.StatusOK),
		changed:   make(chan struct{}),
	}
	r.server = &http.Server{Handler: http.HandlerFunc(r.serve)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = r.server.Serve(l)
	}()
	r.closed = sync.OnceFunc(func() {
		_ = l.Close() // also when Serve has not begun
		_ = r.server.Close()
		<-served
	})
	t.Cleanup(r.Close)
	if len(keys) == 0 {
		t.Fatal("webhooktest: the receiver needs the key that deliveries are signed with")
	}
	return r
}

// Close cuts all connections and refuses new ones, as an endpoint does that is down. Closing twice
// is harmless.
func (r *Receiver) Close() { r.closed() }

// Script tells the receiver how to answer the next deliveries, each in the order of their arrival:
// Status, Respond, Slow, Hang, Drop, or any handler. Later ones are answered as Otherwise says.
// Only what is as it should be (Delivery.Err is nil) takes its turn. Script may be called again to
// add more.
func (r *Receiver) Script(answers ...http.Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.script = append(r.script, answers...)
}

// Otherwise tells the receiver how to answer what Script says nothing about. Defaults to
// Status(200).
func (r *Receiver) Otherwise(answer http.Handler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.otherwise = answer
}

// Deliveries returns all requests so far in the order of their arrival, failed and repeated ones
// included.
func (r *Receiver) Deliveries() []Delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Delivery, len(r.deliveries))
	for i, d := range r.deliveries {
		all[i] = *d
	}
	return all
}

// Events returns the events of the deliveries that were answered with 2xx, in the order of the
// answers. What was sent twice is there twice.
func (r *Receiver) Events() []webhook.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// WaitEvents waits until at least n events were taken (see Events) and returns all that were. When
// that takes longer than the timeout it ends the test and tells what arrived.
func (r *Receiver) WaitEvents(n int, timeout time.Duration) []webhook.Event {
	r.t.Helper()
	if !r.wait(timeout, func() bool { return len(r.events) >= n }) {
		r.t.Fatalf("webhooktest: waited %v for %d events; %s", timeout, n, r.report())
	}
	return r.Events()
}

// WaitDeliveries waits until at least n requests arrived, however they are answered, and returns
// all that did. When that takes longer than the timeout it ends the test and tells what arrived.
func (r *Receiver) WaitDeliveries(n int, timeout time.Duration) []Delivery {
	r.t.Helper()
	if !r.wait(timeout, func() bool { return len(r.deliveries) >= n }) {
		r.t.Fatalf("webhooktest: waited %v for %d requests; %s", timeout, n, r.report())
	}
	return r.Deliveries()
}

// wait waits until done, which is called with r.mu held, or until the timeout, and says which.
func (r *Receiver) wait(timeout time.Duration, done func() bool) bool {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		r.mu.Lock()
		ok, changed := done(), r.changed
		r.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		}
	}
}

// notify wakes those who wait. r.mu is held.
func (r *Receiver) notify() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the sender went away
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	d, answer := r.record(req, body)
	rec := &recorder{ResponseWriter: w, answered: func(status int) { r.settle(d, status) }}
	answer.ServeHTTP(rec, req)
	rec.finish()
}

// record notes the request and returns what to answer.
func (r *Receiver) record(req *http.Request, body []byte) (*Delivery, http.Handler) {
	d := &Delivery{Path: req.URL.RequestURI(), Header: req.Header.Clone(), Body: body, At: time.Now()}
	d.ID = d.Header.Get("Webhook-Id")
	d.Attempt, _ = strconv.Atoi(d.Header.Get("Webhook-Attempt"))
	d.Payload, d.Err = r.inspect(req, body)

	r.mu.Lock()
	defer r.mu.Unlock()
	r.deliveries = append(r.deliveries, d)
	r.notify()
	return d, r.nextAnswer(d)
}

// inspect verifies the request.
func (r *Receiver) inspect(req *http.Request, body []byte) (*webhook.Payload, error) {
	if req.Method != http.MethodPost {
		return nil, fmt.Errorf("the method is %s, deliveries are made with POST", req.Method)
	}
	if types := req.Header["Content-Type"]; !slices.Equal(types, []string{"application/json"}) {
		return nil, fmt.Errorf("the content type is %q, official receivers want exactly application/json", types)
	}
	return r.verify.Verify(body, req.Header)
}

// nextAnswer takes the delivery's answer from the script. r.mu is held.
func (r *Receiver) nextAnswer(d *Delivery) http.Handler {
	switch {
	case d.Err != nil:
		return Respond(http.StatusUnauthorized, nil, d.Err.Error())
	case len(r.script) == 0:
		return r.otherwise
	}
	answer := r.script[0]
	r.script = r.script[1:]
	return answer
}

// settle notes the answer's status. It is called before the answer is written, so that whoever has
// seen the answer finds it noted.
func (r *Receiver) settle(d *Delivery, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.Status = status
	if d.taken() && d.Payload != nil {
		r.events = append(r.events, d.Payload.Events...)
	}
	r.notify()
}

// errNoReceiver says that nothing listens at an address.
var errNoReceiver = errors.New("webhooktest: no receiver has this address")

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// DialContext connects to the receiver: it is for http.Transport and dispatch.HTTP. It fails for
// every other address than the one in URL.
func (r *Receiver) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return Dialer(r)(ctx, network, addr)
}

// Dialer returns a function like DialContext that connects to any of the receivers.
func Dialer(receivers ...*Receiver) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		for _, r := range receivers {
			if "http://"+addr == r.URL {
				return r.dial(ctx, network, addr)
			}
		}
		return nil, fmt.Errorf("%w: %s", errNoReceiver, addr)
	}
}
