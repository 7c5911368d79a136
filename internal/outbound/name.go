package outbound

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

const (
	// maxAddrs bounds the addresses that one dial tries. Of more, each dial tries others.
	maxAddrs = 20

	// nextAfter is how long an address is tried alone before the next one is tried beside it.
	nextAfter = 250 * time.Millisecond

	// familyWait is how long IPv4 addresses wait for the IPv6 addresses of the same name, which
	// come first. A name server may never answer for them.
	familyWait = 50 * time.Millisecond
)

// lookup is what the name servers say of one family's addresses.
type lookup struct {
	addrs []netip.Addr
	err   error
}

// dialed is what came of one address.
type dialed struct {
	conn net.Conn
	err  error
}

// race connects to the addresses of a name side by side: as they become known, and each a moment
// after the last. The first connection wins.
type race struct {
	d    *Dialer
	host string
	port string

	v6, v4  []netip.Addr // not tried yet
	pending int          // lookups without an answer
	running int          // addresses that are being tried
	started int          // addresses that were tried
	lookups chan lookup
	results chan dialed

	dnsErrs, dialErrs []error
}

// dialName connects to addr, a name or IP address and a port.
func (d *Dialer) dialName(ctx context.Context, _, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return d.dialOne(ctx, addr)
	}
	r := &race{
		d: d, host: host, port: port,
		lookups: make(chan lookup, 2), results: make(chan dialed, maxAddrs),
	}
	ctx, cancel := context.WithCancel(ctx)
	conn, err := r.run(ctx)
	cancel()
	r.closeLosers()
	return conn, err
}

func (r *race) run(ctx context.Context) (net.Conn, error) {
	r.lookUp(ctx, "ip6")
	r.lookUp(ctx, "ip4")
	next := time.NewTimer(time.Hour) // when the next address is tried
	defer next.Stop()
	silence := r.silence(ctx)
	defer silence.Stop()
	for r.pending+r.running+len(r.v6)+len(r.v4) > 0 {
		select {
		case l := <-r.lookups:
			r.add(l)
			next.Reset(r.untilNext(ctx))
		case res := <-r.results:
			r.running--
			if res.err == nil {
				return res.conn, nil
			}
			r.dialErrs = append(r.dialErrs, res.err)
			r.start(ctx)
			next.Reset(r.interval(ctx))
		case <-next.C:
			if r.started > 0 && r.running+len(r.v6)+len(r.v4) == 0 {
				return nil, r.failed() // a lookup is still pending, but has had its time
			}
			r.start(ctx)
			next.Reset(r.interval(ctx))
		case <-silence.C:
			if r.pending == 2 {
				return nil, r.timedOut(context.DeadlineExceeded)
			}
		case <-ctx.Done():
			return nil, r.timedOut(ctx.Err())
		}
	}
	return nil, r.failed()
}

// silence returns a timer for when to conclude that no name server answers: a moment before the
// request ends, if it ends before the connect timeout. Without that, nobody would learn why it took
// too long.
func (r *race) silence(ctx context.Context) *time.Timer {
	deadline := requestOf(ctx).deadline
	if deadline.IsZero() {
		return time.NewTimer(time.Hour)
	}
	return time.NewTimer(time.Until(deadline) * 9 / 10)
}

// lookUp asks for one family's addresses. The families are looked up apart, because there are name
// servers that answer for one and are silent about the other.
func (r *race) lookUp(ctx context.Context, network string) {
	r.pending++
	resolver := r.d.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	go func() {
		addrs, err := resolver.LookupNetIP(ctx, network, r.host)
		var none *net.AddrError
		if errors.As(err, &none) { // the name has addresses of the other family only
			err = &net.DNSError{Err: "no such host", Name: r.host, IsNotFound: true}
		}
		r.lookups <- lookup{addrs, err}
	}()
}

// add notes the answer to a lookup.
func (r *race) add(l lookup) {
	r.pending--
	if l.err != nil {
		r.dnsErrs = append(r.dnsErrs, l.err)
	}
	if len(l.addrs) > maxAddrs {
		rand.Shuffle(len(l.addrs), func(i, j int) { l.addrs[i], l.addrs[j] = l.addrs[j], l.addrs[i] })
	}
	for _, addr := range l.addrs {
		if addr = addr.Unmap(); addr.Is4() {
			r.v4 = append(r.v4, addr)
		} else {
			r.v6 = append(r.v6, addr)
		}
	}
}

// untilNext returns when to try the next address, now that a lookup has been answered.
func (r *race) untilNext(ctx context.Context) time.Duration {
	switch {
	case r.running > 0:
		return r.interval(ctx)
	case r.started == 0 && len(r.v6) == 0 && r.pending > 0:
		return familyWait
	}
	return 0
}

// interval returns how long to wait before the next address is tried too: so that all get their
// turn.
func (r *race) interval(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nextAfter
	}
	return min(nextAfter, time.Until(deadline)/time.Duration(len(r.v6)+len(r.v4)+1))
}

// start tries the next address, of the two families in turn.
func (r *race) start(ctx context.Context) {
	from := &r.v4
	if len(r.v6) > 0 && (r.started%2 == 0 || len(r.v4) == 0) {
		from = &r.v6
	}
	if r.started == maxAddrs {
		r.v4, r.v6 = nil, nil
	}
	if len(*from) == 0 {
		return
	}
	addr := (*from)[0]
	*from = (*from)[1:]
	r.started++
	r.running++
	go func() {
		conn, err := r.d.dialOne(ctx, net.JoinHostPort(addr.String(), r.port))
		r.results <- dialed{conn, err}
	}()
}

// closeLosers closes the connections that came too late.
func (r *race) closeLosers() {
	if r.running == 0 {
		return
	}
	go func() {
		for range r.running {
			if res := <-r.results; res.conn != nil {
				_ = res.conn.Close()
			}
		}
	}()
}

// timedOut returns the error of a race that took too long.
func (r *race) timedOut(cause error) error {
	if r.running > 0 {
		return fmt.Errorf("no connection to any of %d addresses of %s: %w", r.started, r.host, cause)
	}
	if len(r.dialErrs)+len(r.dnsErrs) > 0 {
		return r.failed()
	}
	return &net.DNSError{
		UnwrapErr: cause, Err: "no name server has answered", Name: r.host, IsTimeout: true,
	}
}

// failed returns the error of a race in which everything has failed: the one that says the most of
// the receiver.
func (r *race) failed() error {
	if len(r.dialErrs) == 0 {
		return mostTelling(r.dnsErrs, func(err error) bool { return !connectFailure(err).Unsent })
	}
	err := mostTelling(r.dialErrs, func(err error) bool { return !isRefused(err) && !connectFailure(err).Unsent })
	if !isRefused(err) {
		return err
	}
	other := mostTelling(r.dialErrs, func(err error) bool { return !isRefused(err) })
	if isRefused(other) {
		return err
	}
	// A name with addresses of both kinds. The permitted ones may answer next time.
	return fmt.Errorf("%w, and %w", other, errOthersRefused)
}

// errOthersRefused must not look as if no address could ever be dialed.
var errOthersRefused = errors.New("its other addresses are refused")

// mostTelling returns the first error that is good, or else the first.
func mostTelling(errs []error, good func(error) bool) error {
	for _, err := range errs {
		if good(err) {
			return err
		}
	}
	return errs[0]
}
