package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/pushhooks/webhook"
)

// sketched is the sketch with workers that post.
type sketched struct {
	front   *sketch
	workers sync.WaitGroup
}

func openSketch(ctx context.Context, s *setup) (pipeline, error) {
	p, err := newPoster(s.URL, s.Workers)
	if err != nil {
		return nil, err
	}
	k := &sketched{front: newSketch(s.load.apps, s.Size)}
	for range s.Workers {
		k.workers.Go(func() {
			if err := k.front.post(ctx, p); err != nil {
				s.fail(err)
			}
		})
	}
	return k, nil
}

func (k *sketched) emit(_ context.Context, ev webhook.Event) error {
	k.front.Emit(ev)
	return nil
}

func (k *sketched) finish(context.Context) error {
	k.front.finish()
	k.workers.Wait()
	return nil
}

// channelled is what many write: a channel of events, and goroutines that encode, sign and post.
type channelled struct {
	events  chan webhook.Event
	workers sync.WaitGroup
}

// payload is a body for encoding/json.
type payload struct {
	TimeMS int64          `json:"time_ms"`
	Events []payloadEvent `json:"events"`
}

type payloadEvent struct {
	Name     string `json:"name"`
	Channel  string `json:"channel"`
	Event    string `json:"event"`
	Data     string `json:"data"`
	SocketID string `json:"socket_id"`
}

func openChannel(ctx context.Context, s *setup) (pipeline, error) {
	p, err := newPoster(s.URL, s.Workers)
	if err != nil {
		return nil, err
	}
	c := &channelled{events: make(chan webhook.Event, sketchJobs)}
	for range s.Workers {
		c.workers.Go(func() {
			for ev := range c.events {
				if err := postJSON(ctx, p, &ev); err != nil {
					s.fail(err)
					return
				}
			}
		})
	}
	return c, nil
}

func postJSON(ctx context.Context, p *poster, ev *webhook.Event) error {
	data, err := json.Marshal(payload{
		TimeMS: time.Now().UnixMilli(),
		Events: []payloadEvent{{Name: string(ev.Type), Channel: ev.Channel, Event: ev.Event, Data: ev.Data, SocketID: ev.SocketID}},
	})
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write(data)
	return p.post(ctx, data, hex.EncodeToString(mac.Sum(nil)), nil)
}

func (c *channelled) emit(ctx context.Context, ev webhook.Event) error {
	select {
	case c.events <- ev:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *channelled) finish(context.Context) error {
	close(c.events)
	c.workers.Wait()
	return nil
}

// goChannel is watermill's queue in memory.
//
// A gochannel hands a subscriber its next message when the last one is acked, and gives every
// subscriber every message. So for more than one post at a time, as watermill's documentation has
// it, the workers share one subscription and ack on receipt. Its buffer is as long as the sketch's
// channel. Publish does not block: each message that is not yet acked is a goroutine.
type goChannel struct {
	pubsub  *gochannel.GoChannel
	tracker *tracker
}

func openGoChannel(ctx context.Context, s *setup) (pipeline, error) {
	p, err := newPoster(s.URL, s.Workers)
	if err != nil {
		return nil, err
	}
	g := &goChannel{gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: sketchJobs}, watermill.NopLogger{}), newTracker()}
	messages, err := g.pubsub.Subscribe(ctx, topic)
	if err != nil {
		return nil, err
	}
	for range s.Workers {
		go func() {
			signer := newSigner()
			for m := range messages {
				m.Ack()
				if err := p.post(ctx, m.Payload, signer.sign(m.Payload), nil); err != nil {
					s.fail(err)
					return
				}
				g.tracker.acknowledged(1)
			}
		}()
	}
	return g, nil
}

// topic is the name of the queue of peers.
const topic = "webhooks"

func (g *goChannel) emit(_ context.Context, ev webhook.Event) error {
	g.tracker.sent(1)
	return g.pubsub.Publish(topic, message.NewMessage(watermill.NewULID(), oneEventBody(&ev)))
}

func (g *goChannel) finish(ctx context.Context) error { return g.tracker.wait(ctx) }

// oneEventBody is a body of one event.
func oneEventBody(ev *webhook.Event) []byte {
	b := appendBodyStart(make([]byte, 0, 256))
	return append(appendEvent(b, ev), bodyEnd...)
}
