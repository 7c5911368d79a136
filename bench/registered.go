package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue"
)

// registeredSpec is a process with so many apps of one webhook each.
type registeredSpec struct{ Apps int }

// registeredUse is what its process has measured.
type registeredUse struct {
	BytesPerApp float64 // of live heap
	EmitNS      float64
}

// registeredCounts are the numbers of apps that are compared.
var registeredCounts = []int{10, 1_000_000}

// registered measures what a million apps take in memory, and what Emit takes beside ten apps.
func registered(o *options) (string, error) {
	t := &table{header: []string{"", "bytes an app", "Emit ns", "of ten apps"}}
	emits := make([][]float64, len(registeredCounts))
	sizes := make([][]float64, len(registeredCounts))
	for range o.rounds {
		for i, n := range registeredCounts {
			use, err := (registeredSpec{n}).run()
			if err != nil {
				return "", fmt.Errorf("%d apps: %w", n, err)
			}
			o.progress("%d apps: %.0f bytes each, Emit %.0f ns", n, use.BytesPerApp, use.EmitNS)
			emits[i], sizes[i] = append(emits[i], use.EmitNS), append(sizes[i], use.BytesPerApp)
		}
	}
	for i, n := range registeredCounts {
		bytes := ""
		if n > 1000 { // of a few apps one cannot tell them from the rest
			bytes = thousands(median(sizes[i]))
		}
		t.add(thousands(float64(n))+" apps", bytes, spreadOf(emits[i]).figure(), fmt.Sprintf("%.2f", divide(median(emits[i]), median(emits[0]))))
	}
	return t.String(), nil
}

func (r registeredSpec) run() (use registeredUse, err error) {
	c, err := startChild("registered", r)
	if err != nil {
		return use, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	text, err := c.line()
	if err != nil {
		return use, err
	}
	return use, json.Unmarshal([]byte(text), &use)
}

// discard is a queue that takes everything and keeps nothing, so that Emit is measured and not what
// follows it.
type discard struct{ queue.Queue }

func (discard) Traits() queue.Traits {
	return queue.Traits{Lease: 30 * time.Second, Durable: true, Ordered: true}
}

func (discard) Enqueue(context.Context, []queue.Job) error { return nil }

const (
	registeredEmits = 1_000_000
	registeredBusy  = 1_000 // apps that get events, spread over all
)

// registeredChild is the process.
func registeredChild(text []byte) error {
	var r registeredSpec
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	load, empty := newWorkload(r.Apps), collected()
	o := libraryOptions("http://receiver.test/", discard{queue.None}, load.apps, batchSize)
	// Batches are closed when they are full, however many apps share the events, and have room meanwhile:
	// so an Emit has the same to do, and only what is registered differs.
	o.EmitOnly, o.OutboxBytes, o.Batching.Duration = true, 1<<30, time.Minute
	em, err := webhook.New(o)
	if err != nil {
		return err
	}
	o.Apps = nil
	use := registeredUse{BytesPerApp: float64(collected()-empty) / float64(r.Apps)}
	events := make([]webhook.Event, registeredBusy)
	for i := range events {
		events[i] = load.event(i * 7919 % r.Apps * max(1, r.Apps/registeredBusy) % r.Apps)
	}
	began := time.Now()
	for i := range registeredEmits {
		if err := em.Emit(events[i%len(events)]); err != nil {
			return err
		}
	}
	use.EmitNS = float64(time.Since(began).Nanoseconds()) / registeredEmits
	if err := json.NewEncoder(os.Stdout).Encode(use); err != nil {
		return err
	}
	return awaitEnd()
}
