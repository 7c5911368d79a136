package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
)

// sink is a receiver for very many events: it verifies them and remembers, for each channel, who
// delivered it.
type sink struct {
	URL    string
	answer func(http.ResponseWriter, *http.Request) // before 200, if it is set

	verify webhook.Receiver

	mu     sync.Mutex
	got    map[string][]string // by channel, the nodes that delivered it, in the order of arrival
	order  []string            // the channels in the order of arrival
	copies int
	last   time.Time // when something last arrived
	bad    error     // the first delivery that was not as it should be
}

// nodeHeader tells who delivers: a webhook's custom header, different in each process's
// configuration.
const nodeHeader = "X-Node"

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{verify: webhook.Receiver{Keys: []webhook.Key{testKey}}, got: map[string][]string{}}
	server := httptest.NewServer(s)
	s.URL = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if s.bad != nil {
			t.Error("a delivery was refused:", s.bad)
		}
	})
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender was killed
	}
	payload, err := s.verify.Verify(body, r.Header)
	if s.note(payload, err, r.Header.Get(nodeHeader)); err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if s.answer != nil {
		s.answer(w, r)
	}
}

func (s *sink) note(p *webhook.Payload, err error, node string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if s.bad == nil {
			s.bad = err
		}
		return
	}
	s.last = time.Now()
	for i := range p.Events {
		channel := p.Events[i].Channel
		if len(s.got[channel]) > 0 {
			s.copies++
		}
		s.got[channel] = append(s.got[channel], node)
		s.order = append(s.order, channel)
	}
}

// arrived counts the events that arrived, copies included, and those that did not arrive before.
func (s *sink) arrived() (all, different int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.order), len(s.got)
}

// different counts the different events that arrived.
func (s *sink) different() int {
	_, n := s.arrived()
	return n
}

// wantNumbered fails unless the events numbered from 0 to n arrived and no others.
func (s *sink) wantNumbered(t *testing.T, n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	missing := 0
	for i := range n {
		if len(s.got[numbered(i)]) == 0 {
			missing++
		}
	}
	if missing > 0 || len(s.got) != n {
		t.Errorf("%d of %d events did not arrive; %d different ones did", missing, n, len(s.got))
	}
}

// wantOnce fails if something arrived twice.
func (s *sink) wantOnce(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.copies > 0 {
		t.Errorf("%d events arrived more than once", s.copies)
	}
}
