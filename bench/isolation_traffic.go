package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue"
)

// apps returns the healthy webhooks' app, and one for each that fails.
func (d *disturbance) apps(n *neighbours) []webhook.App {
	app := webhook.App{ID: "healthy", Key: appKey, Secret: appSecret}
	for i := range healthyWebhooks {
		app.Webhooks = append(app.Webhooks, hookFor("good"+strconv.Itoa(i), n.good.URL))
	}
	app.Webhooks = append(app.Webhooks, hookFor("warm", n.good.URL), hookFor("fresh", n.good.URL))
	apps := []webhook.App{app}
	add := func(id, url string) {
		apps = append(apps, webhook.App{ID: id, Key: appKey, Secret: appSecret, Webhooks: []webhook.Webhook{hookFor(id, url)}})
	}
	for i := range d.hanging {
		add("bad"+strconv.Itoa(i), n.bad.URL+"/"+strconv.Itoa(i))
	}
	for i := range d.refused {
		add("bad"+strconv.Itoa(i), refusingURL+strconv.Itoa(i))
	}
	add("busy", n.bad.URL+"/busy")
	return apps
}

func hookFor(id, url string) webhook.Webhook {
	return webhook.Webhook{
		ID: id, URL: url, EventTypes: []webhook.EventType{webhook.TypeClientEvent},
		Filter: webhook.Filter{ChannelSuffix: "/" + id},
	}
}

// site is an emitter and its queue.
type site struct {
	em *webhook.Emitter
	q  queue.Queue
}

// newSite makes an emitter without batching, so that every event is a job.
func (d *disturbance) newSite(n *neighbours) (*site, error) {
	q, err := n.open()
	if err != nil {
		return nil, err
	}
	em, err := webhook.New(webhook.Options{
		Apps: d.apps(n), Queue: q, Batching: webhook.Batching{Disabled: true}, Logger: slog.New(slog.DiscardHandler),
	})
	return &site{em, q}, err
}

// close ends the emitter, though jobs of failing webhooks are left.
func (s *site) close() error { return errors.Join(expectUndelivered(s.em.Close()), s.q.Close()) }

// emit emits an event for a webhook that is alone with its channel.
func (s *site) emit(app, id string) error { return emitTo(s.em, app, id) }

func emitTo(em *webhook.Emitter, app, id string) error {
	return em.Emit(webhook.ClientEvent(app, timedChannel(id), webhook.ClientMessage{Name: eventName, SocketID: socketID}))
}

// emitFailing is emit for a webhook that fails and may have no room any more.
func (s *site) emitFailing(app, id string) error {
	if err := s.emit(app, id); !errors.Is(err, webhook.ErrOverflow) {
		return err
	}
	return nil
}

// tick is how often live emits.
const tick = 10 * time.Millisecond

// live runs the traffic. It returns what is to be printed besides.
func (d *disturbance) live(n *neighbours, length time.Duration) (said string, err error) {
	s, err := d.newSite(n)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := errors.Join(s.warm(), d.strangers(s.q)); err != nil {
		return "", err
	}
	n.arrivals.reset()
	began, turn := time.Now(), 0
	for i := 0; time.Since(began) < length; i++ {
		time.Sleep(time.Until(began.Add(time.Duration(i) * tick)))
		if err := d.step(n, s, i, &turn); err != nil {
			return "", err
		}
		if d.restart && i == int(length/(3*tick)) {
			if err := s.close(); err != nil {
				return "", err
			}
			next, err := d.newSite(n)
			if err != nil {
				return "", err
			}
			s = next
		}
	}
	if d.fresh {
		return s.first(n)
	}
	time.Sleep(2 * time.Second) // for what is on its way
	return "", nil
}

// step emits what is due at tick i. turn counts the failing webhooks' events.
func (d *disturbance) step(n *neighbours, s *site, i int, turn *int) error {
	if i%10 == 0 {
		if err := s.emit("healthy", "good"+strconv.Itoa(i/10%healthyWebhooks)); err != nil {
			return err
		}
	}
	// Two events each at once, at most 20 a tick, and then one every 30 seconds.
	bad := d.hanging + d.refused
	for k := 0; bad > 0 && k < 20 && *turn < 2*bad+bad*i/3000; k++ {
		id := "bad" + strconv.Itoa(*turn%bad)
		if err := s.emitFailing(id, id); err != nil {
			return err
		}
		*turn++
	}
	if !d.busy {
		return nil
	}
	n.hangs.Store(i > 1000)
	for range 10 {
		if err := s.emitFailing("busy", "busy"); err != nil {
			return err
		}
	}
	return nil
}

// first tells how long the first event of a webhook takes that was never tried.
func (s *site) first(n *neighbours) (string, error) {
	before := len(n.arrivals.all())
	began := time.Now()
	if err := s.emit("healthy", "fresh"); err != nil {
		return "", err
	}
	for len(n.arrivals.all()) <= before {
		if time.Since(began) > 30*time.Second {
			return "", errors.New("the first event of a new webhook did not arrive within 30 s")
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Sprintf("   first event of a new webhook: %v", time.Since(began).Round(time.Millisecond)), nil
}

// warm has the healthy webhooks succeed once. Their names are known to a queue that has seen them.
func (s *site) warm() error {
	for i := range healthyWebhooks {
		if err := s.emit("healthy", "good"+strconv.Itoa(i)); err != nil {
			return err
		}
	}
	if err := s.emit("busy", "busy"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.em.Drain(ctx)
}

// strangers puts jobs of apps that the process does not know into the queue.
func (d *disturbance) strangers(q queue.Queue) (err error) {
	if d.unknown == 0 {
		return nil
	}
	var apps []webhook.App
	for i := range d.unknown {
		apps = append(apps, webhook.App{
			ID: "unknown" + strconv.Itoa(i), Key: "key", Secret: "secret",
			Webhooks: []webhook.Webhook{hookFor("unknown", refusingURL)},
		})
	}
	em, err := webhook.New(webhook.Options{Apps: apps, Queue: q, EmitOnly: true, Batching: webhook.Batching{Disabled: true}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, expectUndelivered(em.Close())) }()
	for _, a := range apps {
		if err := emitTo(em, a.ID, "unknown"); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return em.Flush(ctx)
}
