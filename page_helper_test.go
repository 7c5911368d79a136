package webhook

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// page is a receiver on loopback that keeps what it gets.
type page struct {
	*httptest.Server
	mu       sync.Mutex
	requests []pageRequest
	answer   func(w http.ResponseWriter, r *http.Request)
}

type pageRequest struct {
	header http.Header
	method string
	body   []byte
}

func newPage(t *testing.T) *page {
	t.Helper()
	p := &page{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		p.mu.Lock()
		p.requests = append(p.requests, pageRequest{r.Header.Clone(), r.Method, body})
		answer := p.answer
		p.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *page) got() []pageRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// pageApp reads an app as the page writes it; URL stands for the receiver's.
func pageApp(t *testing.T, webhooks, url string) App {
	t.Helper()
	var a App
	text := `{"id": "my-app", "key": "my-key", "secret": "my-secret", "enabled": true, "webhooks": ` +
		strings.ReplaceAll(webhooks, "URL", url) + `}`
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

const allTypes = `"event_types": ["channel_occupied", "channel_vacated", "member_added", "member_removed", "client_event"]`

// startPage makes an emitter that delivers to real URLs.
func startPage(t *testing.T, a App, change ...func(*Options)) *Emitter {
	t.Helper()
	return start(t, nil, append([]func(*Options){apps(a), func(o *Options) { o.HTTP = nil }}, change...)...)
}
