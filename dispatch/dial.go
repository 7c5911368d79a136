package dispatch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// dialFunc opens a connection, as net.Dialer.DialContext does.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// dialError tells an error of dialing, which includes resolving the name, from all others.
type dialError struct {
	err error
}

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// bounded returns dial with a time limit, and with its errors marked as a *dialError.
func bounded(dial dialFunc, timeout time.Duration) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, &dialError{err}
		}
		return conn, nil
	}
}

// guarded returns a dialFunc that resolves names with r and connects only to addresses that g permits.
func guarded(g guard, r *net.Resolver) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		var permitted atomic.Bool
		d := net.Dialer{Resolver: r}
		d.ControlContext = func(_ context.Context, _, ipPort string, _ syscall.RawConn) error {
			if err := g.check(ipPort); err != nil {
				return err
			}
			permitted.Store(true)
			return nil
		}
		conn, err := d.DialContext(ctx, network, addr)
		var blocked *blockedError
		if permitted.Load() && errors.As(err, &blocked) {
			// A name with addresses of both kinds. The permitted ones may answer next time, so this
			// must not look as if none could.
			return nil, fmt.Errorf("%s, and its other addresses don't answer", blocked.Error())
		}
		return conn, err
	}
}
