package occupancy_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/occupancy"
	"github.com/pushhooks/webhook/webhooktest"
)

// hub is the part of a WebSocket server that knows its connections.
type hub struct {
	em      *webhook.Emitter
	tracker *occupancy.Tracker // occupancy.New(em)
	log     *slog.Logger

	mu      sync.Mutex
	sockets map[string]socket // that are open
	closing bool
	serving sync.WaitGroup // a goroutine for each socket
}

// serve runs one connection of an authenticated user until it ends.
func (h *hub) serve(id, user string, s socket) {
	if !h.add(id, s) {
		return // the server is going down
	}
	defer h.serving.Done()
	defer h.remove(id)
	for m, err := s.read(); err == nil; m, err = s.read() {
		sub := occupancy.Subscription{AppID: "my-app", Channel: m.Channel, SocketID: id, UserID: user}
		switch m.Event {
		case "pusher:subscribe":
			err := h.tracker.Join(sub)
			if errors.Is(err, occupancy.ErrNotJoined) {
				s.refuse(err) // what the client sent was wrong
				continue
			}
			h.check(err)
		case "pusher:unsubscribe":
			h.check(h.tracker.Leave(sub))
		}
	}
}

func (h *hub) remove(id string) {
	h.check(h.tracker.Gone(id)) // the last call for this socket
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sockets, id)
}

func (h *hub) check(err error) {
	if err != nil {
		h.log.Warn("webhook events were refused", "error", err)
	}
}

func (h *hub) add(id string, s socket) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing {
		return false
	}
	h.sockets[id] = s
	h.serving.Add(1)
	return true
}

// retry emits what was refused, once a second until ctx ends.
func (h *hub) retry(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			h.check(h.tracker.Retry())
		case <-ctx.Done():
			return
		}
	}
}

func (h *hub) shutdown(ctx context.Context) error {
	h.mu.Lock()
	h.closing = true // 1. accept no socket any more
	for _, s := range h.sockets {
		s.close() // 2. close those that are open
	}
	h.mu.Unlock()
	h.serving.Wait() // 3. each goroutine has called Gone
	for h.tracker.Retry() != nil && ctx.Err() == nil {
		time.Sleep(100 * time.Millisecond) // 4. until there was room for all events
	}
	return h.em.Shutdown(ctx) // 5. deliver
}

// message is what a client sends.
type message struct{ Event, Channel string }

// socket is a WebSocket connection.
type socket interface {
	read() (message, error) // fails when the connection has ended
	refuse(error)           // tells the client
	close()
}

// pipe is a socket of a client in this process.
type pipe struct {
	messages chan message
	refused  []error
	closed   chan struct{}
	once     sync.Once
}

func newPipe(messages ...message) *pipe {
	p := &pipe{messages: make(chan message, len(messages)), closed: make(chan struct{})}
	for _, m := range messages {
		p.messages <- m
	}
	return p
}

func (p *pipe) read() (message, error) {
	select {
	case m := <-p.messages:
		return m, nil
	case <-p.closed:
		return message{}, errors.New("closed")
	}
}

func (p *pipe) refuse(err error) { p.refused = append(p.refused, err) }

func (p *pipe) close() { p.once.Do(func() { close(p.closed) }) }

func newHub(em *webhook.Emitter) *hub {
	return &hub{em: em, tracker: occupancy.New(em), log: slog.Default(), sockets: map[string]socket{}}
}

// testApp is an app with a webhook to the URL.
func testApp(url string) webhook.App {
	return webhook.App{ID: "my-app", Key: "my-key", Secret: "my-secret", Webhooks: []webhook.Webhook{{
		ID: "backend", URL: url,
		EventTypes: []webhook.EventType{webhook.TypeMemberAdded, webhook.TypeMemberRemoved},
	}}}
}

func TestHubTellsOfMembers(t *testing.T) {
	t.Parallel()
	r := webhooktest.NewReceiver(t, webhook.Key{Key: "my-key", Secret: "my-secret"})
	em, err := webhook.New(webhook.Options{Apps: []webhook.App{testApp(r.URL)}})
	if err != nil {
		t.Fatal(err)
	}
	h := newHub(em)
	client := newPipe(message{"pusher:subscribe", ""}, message{"pusher:subscribe", "presence-chat"})
	go h.serve("1.1", "ann", client)

	r.WaitEvents(1, 30*time.Second) // member_added
	if err := h.shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	events := r.WaitEvents(2, 30*time.Second)
	if want := webhook.MemberRemoved("", "presence-chat", "ann"); events[1] != want {
		t.Errorf("got %v, want %v", events[1], want)
	}
	if len(client.refused) != 1 {
		t.Errorf("the client was refused %v, want the subscription without a channel", client.refused)
	}
}

func TestHubRetriesWhatWasRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		em := &fullEmitter{}
		em.full.Store(true)
		h := newHub(nil)
		h.tracker, h.log = occupancy.New(em), slog.New(slog.DiscardHandler)
		go h.retry(t.Context())
		h.check(h.tracker.Join(on("presence-x", "1.1", "ann")))
		time.Sleep(10 * time.Second)
		em.full.Store(false)
		time.Sleep(1500 * time.Millisecond)
		if n := em.taken.Load(); n != 2 {
			t.Errorf("%d events were emitted, want 2", n)
		}
	})
}

// fullEmitter is full, for a while.
type fullEmitter struct {
	full  atomic.Bool
	taken atomic.Int64
}

func (e *fullEmitter) Emit(webhook.Event) error {
	if e.full.Load() {
		return webhook.ErrOverflow
	}
	e.taken.Add(1)
	return nil
}

// A connection that comes while the server goes down changes nothing.
func TestHubAcceptsNothingWhileItShutsDown(t *testing.T) {
	t.Parallel()
	em, err := webhook.New(webhook.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := newHub(em)
	if err := h.shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	h.serve("1.1", "ann", newPipe(message{"pusher:subscribe", "chat"}))
	if n := h.tracker.Count("my-app", "chat"); n != 0 {
		t.Errorf("%d sockets are on the channel", n)
	}
}

// An endpoint on a private network gets no request where tenants set their webhooks themselves.
func Example_tenants() {
	sender, err := dispatch.NewHTTP(dispatch.HTTPOptions{
		PublicOnly:     true, // refuses private and loopback addresses when they are dialed
		MaxIdlePerHost: 20,   // as many as Options.Workers
	})
	if err != nil {
		log.Fatal(err)
	}
	em, err := webhook.New(webhook.Options{HTTP: sender})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	tenant := testApp("http://127.0.0.1/hook")
	if err := em.SetApp(tenant); err != nil { // a *webhook.ConfigError: show it to the tenant
		log.Fatal(err)
	}
	result, err := em.Test(ctx, tenant.ID, "backend") // behind a button, say
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Outcome.Err)

	if err := errors.Join(em.Shutdown(ctx), sender.Close()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// http://127.0.0.1: dial tcp 127.0.0.1:80: address 127.0.0.1 is refused: loopback
}
