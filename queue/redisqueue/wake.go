package redisqueue

import (
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
)

// wakeups wakes all Receives that wait.
type wakeups struct {
	mu   sync.Mutex
	next chan struct{}
}

// wait returns a channel that is closed at the next broadcast.
func (b *wakeups) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

func (b *wakeups) broadcast() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

// startListening starts to listen for wake messages. Only receivers need it.
func (q *Queue) startListening() {
	q.listen.Do(func() {
		if q.begin() == nil {
			go q.receiveWakeups()
		}
	})
}

// receiveWakeups wakes waiting Receives for every wake message, and whenever the subscription is
// made anew, since messages may have been missed. A message names the partition that has ready
// jobs.
func (q *Queue) receiveWakeups() {
	defer q.work.Done()
	sub := q.client.Subscribe(q.life, q.channel)
	defer func() { _ = sub.Close() }()
	messages := sub.ChannelWithSubscriptions()
	for {
		select {
		case <-q.life.Done():
			return
		case m, ok := <-messages:
			if !ok {
				return
			}
			q.noteWake(m)
			q.wakeups.broadcast()
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
