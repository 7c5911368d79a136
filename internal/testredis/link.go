package testredis

import (
	"net"
	"sync"
	"time"
)

// Link says how slow one direction of a network is. The zero value is as fast as loopback.
type Link struct {
	BytesPerSecond int           // for all connections together; 0: no limit
	Delay          time.Duration // from one end to the other
}

// blockSize is how much of one connection passes a link before another has its turn.
const blockSize = 16 << 10

// burst is how far a link catches up after it was idle, or its goroutine slept for too long.
const burst = 50 * time.Millisecond

// maxFlying is how many blocks of a connection may be on their way.
const maxFlying = 4096

// link is one direction of all connections of a proxy.
type link struct {
	mu    sync.Mutex
	limit Link
	free  time.Time // when it has sent what it has
	sent  int64
}

func (l *link) set(limit Link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limit, l.free = limit, time.Time{}
}

func (l *link) bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent
}

// send returns when a block of n bytes that is ready has been sent, and how long it then travels.
func (l *link) send(n int) (sent time.Time, travel time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent += int64(n)
	now := time.Now()
	if l.limit.BytesPerSecond > 0 {
		if early := now.Add(-burst); l.free.Before(early) {
			l.free = early
		}
		l.free = l.free.Add(time.Second * time.Duration(n) / time.Duration(l.limit.BytesPerSecond))
		return l.free, l.limit.Delay
	}
	return now, l.limit.Delay
}

// block is a part of what is sent, and when it arrives.
type block struct {
	data   []byte
	arrive time.Time
}

// carry copies from one end of a connection to the other, block by block, until one of them ends or
// filter, which may change a block, returns false.
func (l *link) carry(to, from net.Conn, filter func([]byte) ([]byte, bool)) {
	flying := make(chan block, maxFlying)
	var arrivals sync.WaitGroup
	arrivals.Go(func() { deliver(to, from, flying) })
	defer arrivals.Wait()
	defer close(flying)
	for {
		buf := make([]byte, blockSize)
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		data, more := filter(buf[:n])
		sent, travel := l.send(len(data))
		time.Sleep(time.Until(sent))
		flying <- block{data, sent.Add(travel)}
		if !more {
			return
		}
	}
}

// deliver writes blocks when they arrive. When one can't be written it ends the connection, and
// drops the others.
func deliver(to, from net.Conn, flying <-chan block) {
	failed := false
	for b := range flying {
		if failed {
			continue
		}
		time.Sleep(time.Until(b.arrive))
		if _, err := to.Write(b.data); err != nil {
			_ = from.Close()
			failed = true
		}
	}
}
