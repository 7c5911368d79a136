package dispatch_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

func TestFault21Certificates(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	now := time.Now()
	loopback := x509.Certificate{
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	expired, early, other := loopback, loopback, loopback
	expired.NotAfter = now.Add(-time.Minute)
	early.NotBefore = now.Add(time.Minute)
	other.IPAddresses, other.DNSNames = nil, []string{"other.test"}

	for _, tc := range []struct {
		name string
		cert tls.Certificate
		want string // in the error; "" is delivered
	}{
		{"valid", ca.issue(t, loopback), ""},
		{"expired", ca.issue(t, expired), "has expired"},
		{"not yet valid", ca.issue(t, early), "not valid yet"},
		{"wrong host", ca.issue(t, other), "for another host"},
		{"self-signed", newAuthority(t).cert, "self-signed"},
		{"unknown authority", newAuthority(t).issue(t, loopback), "unknown authority"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			url := startTLS(t, &tls.Config{Certificates: []tls.Certificate{tc.cert}})
			h := newHTTP(t, dispatch.HTTPOptions{TLSConfig: &tls.Config{RootCAs: ca.pool}})
			out := send(t, h, newRequest(url))
			if tc.want == "" {
				want(t, out, dispatch.Delivered, "")
				return
			}
			want(t, out, dispatch.Retry, dispatch.ReasonTLS)
			if !strings.Contains(out.Err.Error(), tc.want) {
				t.Errorf("error %q does not say %q", out.Err, tc.want)
			}
		})
	}
}

func TestReceiverThatWantsAClientCertificate(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := newAuthority(t)
			url := startTLS(t, &tls.Config{
				Certificates: []tls.Certificate{ca.cert}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: version,
			})
			h := newHTTP(t, dispatch.HTTPOptions{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
			out := send(t, h, newRequest(url))
			if out.Verdict != dispatch.Retry || (out.Reason != dispatch.ReasonTLS && out.Reason != dispatch.ReasonReset) {
				t.Errorf("outcome is %+v", out)
			}
			h = newHTTP(t, dispatch.HTTPOptions{
				TLSConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{ca.cert}},
			})
			want(t, send(t, h, newRequest(url)), dispatch.Delivered, "")
		})
	}
}

func TestReceiverThatDoesNotSpeakTLS(t *testing.T) {
	t.Parallel()
	rc := startReceiver(t, func(c *peer) {
		c.write("HTTP/1.1 400 Bad Request\r\n\r\n")
	})
	out := send(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest("https://"+rc.addr))
	want(t, out, dispatch.Retry, dispatch.ReasonTLS)

	hangUp := startReceiver(t, func(c *peer) { _, _ = c.in.ReadByte() })
	out = send(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest("https://"+hangUp.addr))
	want(t, out, dispatch.Retry, dispatch.ReasonTLS)
}

func TestHTTP2IsNotUsed(t *testing.T) {
	t.Parallel()
	proto := make(chan string, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		proto <- r.Proto
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	h := newHTTP(t, dispatch.HTTPOptions{TLSConfig: &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"},
	}})
	want(t, send(t, h, newRequest(srv.URL)), dispatch.Delivered, "")
	if got := <-proto; got != "HTTP/1.1" {
		t.Errorf("the request was made with %s", got)
	}
}

// startTLS starts a receiver with this certificate, which answers 200, and returns its URL.
func startTLS(t *testing.T, config *tls.Config) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.TLS = config
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL
}

// authority issues certificates. Its own is valid for 127.0.0.1.
type authority struct {
	cert tls.Certificate
	leaf *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority " + rand.Text()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &authority{cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, leaf: leaf, pool: pool}
}

func (a *authority) issue(t *testing.T, template x509.Certificate) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template.SerialNumber = big.NewInt(2)
	der, err := x509.CreateCertificate(rand.Reader, &template, a.leaf, key.Public(), a.cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
