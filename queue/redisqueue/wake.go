package redisqueue

import (
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
)

// bell wakes everyone who waits.
type bell struct {
	mu   sync.Mutex
	rung chan struct{}
}

// wait returns a channel that is closed when the bell rings next.
func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}

// startListening starts to listen for wake messages. Only receivers need it.
func (q *Queue) startListening() {
	q.listen.Do(func() {
		if q.begin() == nil {
			go q.hear()
		}
	})
}

// hear rings the bell for every wake message, and whenever the subscription is made anew, since messages may have been
// missed. A message says which partition has something.
func (q *Queue) hear() {
	defer q.work.Done()
	sub := q.client.Subscribe(q.life, q.channel)
	defer func() { _ = sub.Close() }()
	heard := sub.ChannelWithSubscriptions()
	for {
		select {
		case <-q.life.Done():
			return
		case m, ok := <-heard:
			if !ok {
				return
			}
			q.noteWake(m)
			q.bell.ring()
		}
	}
}

func (q *Queue) noteWake(m any) {
	msg, ok := m.(*redis.Message)
	if !ok {
		for _, p := range q.parts {
			p.disarm()
		}
		return
	}
	if n, err := strconv.Atoi(msg.Payload); err == nil && n >= 0 && n < len(q.parts) {
		q.parts[n].wake()
	}
}
