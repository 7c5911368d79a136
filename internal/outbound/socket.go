package outbound

import (
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// socket is the connection to the next host, beneath TLS.
type socket struct {
	net.Conn
	raw     syscall.RawConn // nil: conn is not the kernel's
	reading atomic.Bool     // a Read waits for the peer

	peek            func(fd uintptr) // fills the rest, which serves unread
	buf             [1]byte
	arrived, closed bool
}

func newSocket(conn net.Conn) *socket {
	s := &socket{Conn: conn}
	if sc, ok := conn.(syscall.Conn); ok {
		s.raw, _ = sc.SyscallConn()
	}
	s.peek = func(fd uintptr) { s.arrived, s.closed = peekSocket(fd, s.buf[:]) }
	return s
}

func (s *socket) Read(p []byte) (int, error) {
	s.reading.Store(true)
	n, err := s.Conn.Read(p)
	s.reading.Store(false)
	return n, err
}

// unread reports whether bytes have arrived that were not read, and false for ok if the connection
// has ended. It is called by one goroutine at a time.
func (s *socket) unread() (unread, ok bool) {
	if s.raw == nil {
		return false, true
	}
	if err := s.raw.Control(s.peek); err != nil {
		return false, false
	}
	return s.arrived, !s.closed
}

// awaitRead waits until a Read waits for the peer, because it has nothing in a buffer. After an
// answer that is a matter of microseconds. It reports false when it has waited for too long.
func (s *socket) awaitRead() bool {
	for i := 0; i < 200 && !s.reading.Load(); i++ {
		if i < 20 {
			runtime.Gosched()
		} else {
			time.Sleep(100 * time.Microsecond)
		}
	}
	return s.reading.Load()
}
