package webhooktest

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
)

// pipeListener accepts in-memory connections.
type pipeListener struct {
	addr  pipeAddr
	conns chan net.Conn
	done  chan struct{}
	close func()
}

var listeners atomic.Int64

func newPipeListener() *pipeListener {
	done := make(chan struct{})
	return &pipeListener{
		addr:  pipeAddr("receiver-" + strconv.FormatInt(listeners.Add(1), 10) + ".test:80"),
		conns: make(chan net.Conn),
		done:  done,
		close: sync.OnceFunc(func() { close(done) }),
	}
}

// dial returns the client's end of a new connection.
func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, l.failed("dial", net.ErrClosed)
	case <-ctx.Done():
		return nil, l.failed("dial", context.Cause(ctx))
	}
}

// Accept returns the server's end of the next connection.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, l.failed("accept", net.ErrClosed)
	}
}

// Close ends Accept and refuses connections.
func (l *pipeListener) Close() error {
	l.close()
	return nil
}

// Addr returns the host and port that the receiver's URL has.
func (l *pipeListener) Addr() net.Addr { return l.addr }

func (l *pipeListener) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: l.addr.Network(), Addr: l.addr, Err: err}
}

type pipeAddr string

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return string(a) }
