package testredis

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// Proxy stands between a client and a server and can be told to misbehave.
type Proxy struct {
	Addr string // host:port to give to clients

	target string
	listen net.Listener
	all    sync.WaitGroup

	up, down link // to the server, and back

	mu    sync.Mutex
	conns map[net.Conn]bool
	dead  bool
	cut   *cut
}

// cut says which answer to cut off.
type cut struct {
	request []byte        // what the request contains
	after   int           // how many bytes of the answer are handed on
	done    chan struct{} // closed when that has happened
}

// StartProxy starts a proxy in front of the server at target. It ends with the test.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, listen: l, conns: make(map[net.Conn]bool)}
	p.all.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.SetDown(true)
		p.SetLink(Link{})
		p.all.Wait()
	})
	return p
}

// SetLink makes both directions as slow as l, for all connections together.
func (p *Proxy) SetLink(l Link) {
	p.up.set(l)
	p.down.set(l)
}

// Sent returns how many bytes have gone to the server.
func (p *Proxy) Sent() int64 { return p.up.bytes() }

// Received returns how many bytes have come from the server.
func (p *Proxy) Received() int64 { return p.down.bytes() }

// SetDown closes all connections and refuses new ones, until it is called with false.
func (p *Proxy) SetDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = down
	if down {
		for c := range p.conns {
			_ = c.Close()
		}
	}
}

// LoseAnswer makes the proxy hand the next request that contains text to the server, and close the
// connection when the server answers. The channel is closed when that has happened.
func (p *Proxy) LoseAnswer(text string) <-chan struct{} { return p.CutAnswer(text, 0) }

// CutAnswer is as LoseAnswer, but the first bytes of the answer, as many as after says, arrive.
func (p *Proxy) CutAnswer(text string, after int) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = &cut{request: []byte(text), after: after, done: make(chan struct{})}
	return p.cut.done
}

func (p *Proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		if !p.keep(client, server) {
			continue
		}
		c := &conn{p: p, client: client, server: server}
		p.all.Go(c.requests)
		p.all.Go(c.answers)
	}
}

// keep notes the two ends of a connection, unless the proxy is down.
func (p *Proxy) keep(ends ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, end := range ends {
		if p.dead {
			_ = end.Close()
		} else {
			p.conns[end] = true
		}
	}
	return !p.dead
}

// conn is one connection through the proxy.
type conn struct {
	p              *Proxy
	client, server net.Conn

	mu  sync.Mutex
	cut *cut // how the next answer is cut off; nil: hand it on
}

func (c *conn) requests() {
	defer c.close()
	c.p.up.carry(c.server, c.client, func(block []byte) ([]byte, bool) {
		c.match(block)
		return block, true
	})
}

// match looks whether the answer to this request is to be cut off.
func (c *conn) match(request []byte) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.p.cut != nil && bytes.Contains(request, c.p.cut.request) {
		c.mu.Lock()
		c.cut = c.p.cut
		c.mu.Unlock()
		c.p.cut = nil
	}
}

func (c *conn) answers() {
	defer c.close()
	c.p.down.carry(c.client, c.server, func(block []byte) ([]byte, bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.cut == nil {
			return block, true
		}
		if len(block) < c.cut.after {
			c.cut.after -= len(block)
			return block, true
		}
		close(c.cut.done)
		return block[:c.cut.after], false
	})
}

func (c *conn) close() {
	_ = c.client.Close()
	_ = c.server.Close()
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	delete(c.p.conns, c.client)
	delete(c.p.conns, c.server)
}
