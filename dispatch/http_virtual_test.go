package dispatch_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

// pipes is a listener in memory, for virtual time.
type pipes chan net.Conn

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

func TestVirtualTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ln := make(pipes)
		srv := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.URL.Path == "/hangs" {
				<-r.Context().Done()
			}
		})}
		go func() { _ = srv.Serve(ln) }()
		h := newHTTP(t, dispatch.HTTPOptions{DialContext: ln.dial})
		start := time.Now()
		timed := func(path string) (dispatch.Outcome, time.Duration) {
			before := time.Now()
			out := sendWithin(t, h, newRequest("http://receiver.test"+path), 10*time.Second)
			return out, time.Since(before)
		}
		if out, took := timed("/"); out.Verdict != dispatch.Delivered || took != 0 {
			t.Errorf("outcome is %+v after %v", out, took)
		}
		if out, took := timed("/hangs"); out.Reason != dispatch.ReasonTimeout || took != 10*time.Second {
			t.Errorf("outcome is %+v after %v", out, took)
		}
		_ = h.Close()
		_ = srv.Close()
		synctest.Wait()
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("all took %v", took)
		}
	})
}

func TestTimeoutsInVirtualTime(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		url, reason string
		took        time.Duration
		dial        func(ctx context.Context, network, addr string) (net.Conn, error)
	}{
		{
			"http://receiver.test", dispatch.ReasonConnectTimeout, 3 * time.Second,
			func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			},
		},
		{
			"https://receiver.test", dispatch.ReasonTLSTimeout, 5 * time.Second,
			func(context.Context, string, string) (net.Conn, error) {
				here, there := net.Pipe()
				go func() { _, _ = there.Read(make([]byte, 1<<20)) }()
				return here, nil
			},
		},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHTTP(t, dispatch.HTTPOptions{DialContext: tc.dial})
				start := time.Now()
				want(t, sendWithin(t, h, newRequest(tc.url), 10*time.Second), dispatch.Retry, tc.reason)
				if took := time.Since(start); took != tc.took {
					t.Errorf("it took %v, want %v", took, tc.took)
				}
				_ = h.Close()
			})
		})
	}
}

// A body that is late does not hold the worker, and one that is not does not cost the connection.
func TestLateBodyInVirtualTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ln := make(pipes)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(time.Minute):
			case <-r.Context().Done():
			}
		})}
		go func() { _ = srv.Serve(ln) }()
		h := newHTTP(t, dispatch.HTTPOptions{DialContext: ln.dial})
		start := time.Now()
		want(t, sendWithin(t, h, newRequest("http://receiver.test"), 10*time.Second), dispatch.Delivered, "")
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("the worker was held for %v", took)
		}
		_ = h.Close()
		if err := srv.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}
