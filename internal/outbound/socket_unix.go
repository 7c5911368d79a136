//go:build unix

package outbound

import (
	"errors"
	"syscall"
)

// peekSocket reports whether a non-blocking socket has bytes to read, or has been closed by the
// peer.
func peekSocket(fd uintptr, buf []byte) (arrived, closed bool) {
	n, _, err := syscall.Recvfrom(int(fd), buf, syscall.MSG_PEEK)
	switch {
	case n > 0:
		return true, false
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return false, false
	}
	return false, true
}
