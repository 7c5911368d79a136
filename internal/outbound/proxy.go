package outbound

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/proxy"
)

// maxProxyAnswer bounds a proxy's answer to CONNECT.
const maxProxyAnswer = 32 << 10

func isSOCKS(u *url.URL) bool { return strings.HasPrefix(strings.ToLower(u.Scheme), "socks5") }

// tunnel connects to addr through a proxy.
func (d *Dialer) tunnel(ctx context.Context, u *url.URL, addr string) (*socket, error) {
	ctx, cancel := context.WithTimeout(ctx, d.ConnectTimeout)
	defer cancel()
	proxyAddr := proxyAddr(u)
	s, err := d.connect(ctx, toProxy, proxyAddr)
	if err != nil {
		return nil, err
	}
	var conn net.Conn = s
	if strings.EqualFold(u.Scheme, "https") {
		if conn, err = d.handshake(ctx, s, proxyAddr); err != nil {
			return nil, &stepError{toProxy, err}
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if isSOCKS(u) {
		err = passSOCKS(ctx, conn, u, addr)
	} else {
		err = passCONNECT(conn, u, addr)
	}
	if err == nil && !stop() {
		err = context.DeadlineExceeded
	}
	if err != nil {
		_ = conn.Close()
		return nil, &stepError{throughProxy, fmt.Errorf("the proxy makes no connection: %w", err)}
	}
	if conn != net.Conn(s) {
		return newSocket(conn), nil
	}
	return s, nil
}

func proxyAddr(u *url.URL) string {
	ports := map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), ports[strings.ToLower(u.Scheme)]))
}

func passCONNECT(conn net.Conn, u *url.URL, addr string) error {
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: addr}, Host: addr, Header: http.Header{}}
	if u.User != nil {
		password, _ := u.User.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + password))
		r.Header.Set("Proxy-Authorization", "Basic "+credentials)
	}
	if err := r.Write(conn); err != nil {
		return err
	}
	// Nothing follows the answer before the handshake, so nothing is lost in the buffer.
	//nolint:bodyclose // the connection is the tunnel, or is closed by the caller
	resp, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxProxyAnswer)), r)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	return nil
}

func passSOCKS(ctx context.Context, conn net.Conn, u *url.URL, addr string) error {
	var auth *proxy.Auth
	if u.User != nil {
		password, _ := u.User.Password()
		auth = &proxy.Auth{User: u.User.Username(), Password: password}
	}
	d, err := proxy.SOCKS5("tcp", "proxy", auth, connected{conn})
	if err != nil {
		return err
	}
	if d, ok := d.(proxy.ContextDialer); ok {
		_, err = d.DialContext(ctx, "tcp", addr)
		return err
	}
	return errors.New("this SOCKS client takes no context")
}

// connected is a dialer that has the connection already.
type connected struct{ conn net.Conn }

func (c connected) Dial(string, string) (net.Conn, error) { return c.conn, nil }

func (c connected) DialContext(context.Context, string, string) (net.Conn, error) { return c.conn, nil }
