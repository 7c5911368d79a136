package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
)

func TestEventsAreSpreadOverAppsAndChannels(t *testing.T) {
	t.Parallel()
	w := newWorkload(10)
	seen := make(map[string]int)
	for i := range 2000 {
		ev := w.event(i)
		seen[ev.AppID+" "+ev.Channel]++
		if want := w.apps[i%10]; ev.AppID != want {
			t.Fatalf("event %d is of %s, want %s", i, ev.AppID, want)
		}
	}
	if len(seen) != 1000 || seen["app-9 private-room-0099"] != 2 {
		t.Errorf("%d channels, %d events of the last one; want 1000 and 2", len(seen), seen["app-9 private-room-0099"])
	}
}

func TestEventIsAbout140Bytes(t *testing.T) {
	t.Parallel()
	ev := newWorkload(10).event(0)
	text := appendEvent(nil, &ev)
	if !json.Valid(text) || len(text) < 130 || len(text) > 150 {
		t.Errorf("%d bytes: %s", len(text), text)
	}
}

// The peers' bodies are the library's, byte for byte but for the time, so that all cases send the same.
func TestBodyIsTheLibrarys(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	receiver := webhook.Receiver{Keys: []webhook.Key{{Key: appKey, Secret: appSecret}}}
	server := httptest.NewServer(receiver.Handler(func(_ http.ResponseWriter, _ *http.Request, p *webhook.Payload) {
		text, err := json.Marshal(p.Events)
		if err != nil {
			t.Error(err)
		}
		got <- string(text)
	}))
	defer server.Close()
	w := newWorkload(1)
	ev := w.event(7)
	em, err := webhook.New(libraryOptions(server.URL, nil, w.apps, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer em.Close()
	if err := em.Emit(ev); err != nil {
		t.Fatal(err)
	}
	library := <-got
	p, err := newPoster(server.URL, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.transport.CloseIdleConnections()
	b := oneEventBody(&ev)
	if err := p.post(t.Context(), b, newSigner().sign(b), nil); err != nil {
		t.Fatal(err)
	}
	if peer := <-got; peer != library {
		t.Errorf("a peer sends\n%s\nthe library\n%s", peer, library)
	}
	if err := postJSON(t.Context(), p, &ev); err != nil {
		t.Fatal(err)
	}
	if peer := <-got; peer != library {
		t.Errorf("encoding/json sends\n%s\nthe library\n%s", peer, library)
	}
}

// The sketch delivers every event once, those of an open batch by its clock, and in order.
func TestSketchDeliversEverythingInOrder(t *testing.T) {
	t.Parallel()
	const events = 1003
	w := newWorkload(3)
	s := newSketch(w.apps, batchSize)
	var bodies []string
	var taken sync.WaitGroup
	taken.Go(func() {
		for j := range s.sink {
			bodies = append(bodies, string(j.body))
			s.release(j)
		}
	})
	for i := range events {
		s.Emit(w.event(i))
	}
	s.finish()
	taken.Wait()
	if n := strings.Count(strings.Join(bodies, ""), string(eventStart)); n != events {
		t.Errorf("%d events left the sketch, want %d", n, events)
	}
	for _, b := range bodies {
		inOrder(t, b)
	}
}

// inOrder fails the test if a body of the sketch is not JSON or its events, whose channels count up,
// are not in the order in which they were emitted.
func inOrder(t *testing.T, body string) {
	t.Helper()
	var p payload
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for i := 1; i < len(p.Events); i++ {
		var before, after int
		if _, err := fmt.Sscanf(p.Events[i-1].Channel+" "+p.Events[i].Channel, "private-room-%d private-room-%d", &before, &after); err != nil {
			t.Fatal(err)
		}
		if after != (before+1)%channelsPerApp {
			t.Fatalf("an event of channel %d follows one of %d", after, before)
		}
	}
}

func TestSketchClosesBatchesByItself(t *testing.T) {
	t.Parallel()
	w := newWorkload(1)
	s := newSketch(w.apps, batchSize)
	s.Emit(w.event(0))
	select {
	case j := <-s.sink:
		if j.events != 1 {
			t.Errorf("%d events, want 1", j.events)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the batch stayed open")
	}
	s.finish()
}
