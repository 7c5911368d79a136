package testredis

import (
	"bytes"
	"io"
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

	mu     sync.Mutex
	conns  map[net.Conn]bool
	down   bool
	losing []byte
	lost   chan struct{}
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
		p.all.Wait()
	})
	return p
}

// SetDown closes all connections and refuses new ones, until it is called with false.
func (p *Proxy) SetDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	if down {
		for c := range p.conns {
			_ = c.Close()
		}
	}
}

// LoseAnswer makes the proxy hand the next request that contains text to the server, and close the
// connection when the server answers. The channel is closed when that has happened.
func (p *Proxy) LoseAnswer(text string) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.losing, p.lost = []byte(text), make(chan struct{})
	return p.lost
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
		if p.down {
			_ = end.Close()
		} else {
			p.conns[end] = true
		}
	}
	return !p.down
}

// conn is one connection through the proxy.
type conn struct {
	p              *Proxy
	client, server net.Conn

	mu     sync.Mutex
	losing chan struct{} // closed when the next answer was lost; nil: hand it on
}

func (c *conn) requests() {
	defer c.close()
	buf := make([]byte, 64<<10)
	for {
		n, err := c.client.Read(buf)
		if err != nil {
			return
		}
		c.match(buf[:n])
		if _, err := c.server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// match looks whether the answer to this request is to be lost.
func (c *conn) match(request []byte) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if c.p.losing != nil && bytes.Contains(request, c.p.losing) {
		c.mu.Lock()
		c.losing = c.p.lost
		c.mu.Unlock()
		c.p.losing = nil
	}
}

func (c *conn) answers() {
	defer c.close()
	buf := make([]byte, 64<<10)
	for {
		n, err := c.server.Read(buf)
		if err != nil {
			return
		}
		c.mu.Lock()
		losing := c.losing
		c.mu.Unlock()
		if losing != nil {
			close(losing)
			return
		}
		if _, err := io.Copy(c.client, bytes.NewReader(buf[:n])); err != nil {
			return
		}
	}
}

func (c *conn) close() {
	_ = c.client.Close()
	_ = c.server.Close()
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	delete(c.p.conns, c.client)
	delete(c.p.conns, c.server)
}
