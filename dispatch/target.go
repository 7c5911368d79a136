package dispatch

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/pushhooks/webhook/internal/outbound"
)

// maxTargets bounds the number of parsed URLs that are remembered.
const maxTargets = 4096

// target is a URL, parsed and checked. It is shared by attempts and not changed.
type target struct {
	url    *url.URL
	origin string      // scheme and host: what may be shown
	auth   []string    // the Authorization header that the URL's user and password make, or nil
	addr   *netip.Addr // the host, if it is an address

	record *outbound.Record // how the answers of scheme and host end
}

// targets remembers URLs that it has parsed, so that an attempt need not. The zero value is ready.
type targets struct {
	byURL   sync.Map // string to *target
	records sync.Map // a target's origin to *outbound.Record
	count   atomic.Int64
}

func (ts *targets) get(rawURL string) (*target, error) {
	if t, ok := ts.byURL.Load(rawURL); ok {
		return t.(*target), nil
	}
	t, err := parseTarget(rawURL)
	if err != nil {
		return nil, err
	}
	if ts.count.Add(1) > maxTargets {
		ts.byURL.Clear()
		ts.records.Clear()
		ts.count.Store(1)
	}
	record, _ := ts.records.LoadOrStore(t.origin, new(outbound.Record))
	t.record = record.(*outbound.Record)
	ts.byURL.Store(rawURL, t)
	return t, nil
}

// parseTarget shows nothing of rawURL in its errors: it may hold a password.
func parseTarget(rawURL string) (*target, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("the URL is malformed")
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the URL's scheme is %q, not http or https", u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, errors.New("the URL has no host")
	}
	if !validPort(u.Port()) {
		return nil, fmt.Errorf("the URL's port %s is not between 1 and 65535", u.Port())
	}
	addr, err := outbound.ParseHost(u.Hostname())
	if err != nil {
		return nil, fmt.Errorf("the URL is malformed: %w", err)
	}
	t := &target{url: u, auth: basicAuth(u.User)}
	if addr.IsValid() {
		t.addr = &addr
		setHost(u, addr)
	}
	t.origin = u.Scheme + "://" + u.Host
	return t, nil
}

// setHost has u name the address in the one form that everything that reads it agrees on.
func setHost(u *url.URL, addr netip.Addr) {
	if !addr.Is4() {
		return
	}
	port := u.Port()
	u.Host = addr.String()
	if port != "" {
		u.Host += ":" + port
	}
}

func validPort(port string) bool {
	if port == "" {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

func basicAuth(user *url.Userinfo) []string {
	if user == nil {
		return nil
	}
	password, _ := user.Password()
	credentials := user.Username() + ":" + password
	return []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))}
}
