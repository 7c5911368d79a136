package main

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pushhooks/webhook"
)

// arrivals notes how long events took whose channel's name tells when they were emitted.
type arrivals struct {
	mu   sync.Mutex
	took []time.Duration
}

// timedChannel returns the name of a channel that tells the time, and ends with a webhook's ID.
func timedChannel(id string) string {
	return "private-" + strconv.FormatInt(time.Now().UnixNano(), 10) + "/" + id
}

func (a *arrivals) note(w http.ResponseWriter, _ *http.Request, p *webhook.Payload) {
	now := time.Now().UnixNano()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, ev := range p.Events {
		name, _, _ := strings.Cut(strings.TrimPrefix(ev.Channel, "private-"), "/")
		at, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusGone) // the event is then missed at the end
			return
		}
		a.took = append(a.took, time.Duration(now-at))
	}
}

// all returns the times so far, sorted.
func (a *arrivals) all() []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	took := slices.Clone(a.took)
	slices.Sort(took)
	return took
}

func (a *arrivals) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.took = nil
}
