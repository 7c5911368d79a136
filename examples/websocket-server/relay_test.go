package main

import (
	"io"
	"net"
	"sync"
	"testing"
)

// relay is a TCP proxy, whose connections a test cuts and leads elsewhere.
type relay struct {
	listener net.Listener
	mu       sync.Mutex
	to       string
	conns    []net.Conn
	done     sync.WaitGroup
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, to: to}
	r.done.Go(r.accept)
	t.Cleanup(func() {
		l.Close()
		r.cut()
		r.done.Wait()
	})
	return r
}

func (r *relay) addr() string { return r.listener.Addr().String() }

func (r *relay) accept() {
	for {
		from, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		to, err := net.Dial("tcp", r.to)
		if err != nil {
			from.Close()
		} else {
			r.conns = append(r.conns, from, to)
			r.done.Go(func() { pipe(from, to) })
			r.done.Go(func() { pipe(to, from) })
		}
		r.mu.Unlock()
	}
}

func pipe(to, from net.Conn) {
	io.Copy(to, from)
	to.Close()
	from.Close()
}

// cut ends all connections without a word of the protocol.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

// lead has new connections lead to another address.
func (r *relay) lead(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
}
