package outbound

import (
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// probation is how long a connection rests after a receiver's first answer with a status that
// permits no body. Some servers send one all the same, a moment later: about 40 ms, where their
// kernel waits for an acknowledgement first.
const probation = 50 * time.Millisecond

// untidyTime is how long it is remembered that a receiver leaves bytes behind.
const untidyTime = 10 * time.Minute

// errUnfit is the error of a request that was not written. A request that was to reuse the
// connection can be sent on another one.
var errUnfit = errors.New("the connection is not fit for another request")

// Record remembers how a receiver ends its answers. The zero value is ready.
type Record struct {
	untidyUntil atomic.Int64 // Unix time in nanoseconds
	tidy        atomic.Bool  // nothing followed a bodiless answer during its probation
}

// Untidy reports whether the receiver has left bytes behind an answer lately. Each
// request to it should have a connection of its own.
func (r *Record) Untidy() bool {
	until := r.untidyUntil.Load()
	return until != 0 && time.Now().UnixNano() < until
}

func (r *Record) setUntidy() { r.untidyUntil.Store(time.Now().Add(untidyTime).UnixNano()) }

// Conn is an HTTP/1.1 connection as a Dialer returns it. It ends between two exchanges when it is
// too old, or when bytes are left over behind an answer: net/http would take them for the next
// answer, or print them with the standard logger. Begin and End enclose each exchange.
type Conn struct {
	net.Conn         // TCP, or TLS over it
	socket   *socket // beneath
	lifetime *time.Timer
	until    time.Time   // when lifetime ends; zero: never
	unfit    atomic.Bool // nothing more is written, and nothing that is read counts

	mu      sync.Mutex
	answer  answer
	uses    int // exchanges under way
	expired bool
	record  *Record   // of the last exchange; nil: there was none
	endedAt time.Time // when the last answer was complete, if that was a bodiless one
}

// newConn returns conn, which is s or TLS over it and which a dial at began has opened. It lives at
// most maxAge from then on, or without a limit if that is 0. Lifetimes differ by up to a tenth, so
// that connections that were opened together are not replaced together.
func newConn(conn net.Conn, s *socket, maxAge time.Duration, began time.Time) *Conn {
	c := &Conn{Conn: conn, socket: s}
	if maxAge > 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.until = began.Add(maxAge - rand.N(maxAge/10+1))
		c.lifetime = time.AfterFunc(time.Until(c.until), c.expire)
	}
	return c
}

// Begin announces an exchange, before anything of its request is written, and reports whether the
// connection is fit for it. If it is not, every Write fails: nothing is sent, and the request can
// go over another connection. r is the receiver's record.
func (c *Conn) Begin(r *Record) bool {
	c.mu.Lock()
	c.uses++
	last, endedAt := c.record, c.endedAt
	onProbation := last != nil && c.answer.bodiless && !last.tidy.Load()
	c.mu.Unlock()
	if onProbation {
		time.Sleep(probation - time.Since(endedAt))
	}
	// bytes may be where the kernel knows nothing of them
	buffered := c.overTLS() || c.socket.raw == nil
	if last != nil && buffered && !c.socket.awaitRead() {
		c.unfit.Store(true)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if last != nil && !c.unfit.Load() {
		c.check(last)
	}
	c.record = r
	c.answer.expect(last != nil)
	return !c.unfit.Load()
}

// check finds out whether anything arrived that nobody asked for. c.mu is locked.
func (c *Conn) check(last *Record) {
	unread, ok := c.socket.unread()
	switch {
	case unread && !c.overTLS(): // TLS has messages of its own
		last.setUntidy()
		c.unfit.Store(true)
	case unread, !ok, c.answer.phase != nothing, c.isOver():
		c.unfit.Store(true)
	case c.answer.bodiless:
		last.tidy.Store(true)
	}
}

// isOver reports whether the lifetime has ended, however late the timer is.
func (c *Conn) isOver() bool { return !c.until.IsZero() && !time.Now().Before(c.until) }

func (c *Conn) overTLS() bool {
	_, ok := c.Conn.(*tls.Conn)
	return ok
}

// End says that the exchange is over: its answer was read, or it failed. Of a nil Conn it does
// nothing.
func (c *Conn) End() {
	if c == nil {
		return
	}
	c.mu.Lock()
	c.uses--
	over := c.expired && c.uses == 0
	if over {
		c.unfit.Store(true)
	}
	c.mu.Unlock()
	if over {
		_ = c.Close()
	}
}

// expire ends the connection, now or when the exchange that is under way has ended.
func (c *Conn) expire() {
	c.mu.Lock()
	c.expired = true
	over := c.uses == 0
	if over {
		c.unfit.Store(true)
	}
	c.mu.Unlock()
	if over {
		_ = c.Close()
	}
}

// Read reads no further than the answer that is expected. With anything else that arrived it
// returns io.EOF, and net/http does not use the connection again.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 {
		return n, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unfit.Load() {
		return 0, io.EOF
	}
	used := c.answer.take(p[:n])
	switch {
	case used < n, c.answer.excess:
		if c.record != nil {
			c.record.setUntidy()
		}
		fallthrough
	case c.answer.phase == lost:
		c.unfit.Store(true)
		return used, io.EOF
	case c.answer.bodiless && !c.record.tidy.Load():
		c.endedAt = time.Now()
	}
	return n, err
}

// Write writes p, unless the connection is not fit for another request.
func (c *Conn) Write(p []byte) (int, error) {
	if c.unfit.Load() {
		return 0, errUnfit
	}
	return c.Conn.Write(p)
}

// Close closes the connection.
func (c *Conn) Close() error {
	c.mu.Lock()
	lifetime := c.lifetime
	c.mu.Unlock()
	if lifetime != nil {
		lifetime.Stop()
	}
	return c.Conn.Close()
}
