package dispatch_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/pushhooks/webhook/dispatch"
)

// wantClean fails the test unless a text is one short line.
func wantClean(t *testing.T, what, text string) {
	t.Helper()
	if len(text) > 1024 || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("%s has %d bytes: %.100q", what, len(text), text)
	}
}

func TestCertificateWithLongNamesMakesAShortError(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	names := make([]string, 600)
	for i := range names {
		names[i] = strings.Repeat("x", 50) + "\n\x1b[31m" + strings.Repeat("y", 40)
	}
	cert := ca.issue(t, x509.Certificate{
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: names,
		Subject: pkix.Name{CommonName: strings.Join(names[:100], "\n")},
	})
	url := startTLS(t, &tls.Config{Certificates: []tls.Certificate{cert}})
	h := newHTTP(t, dispatch.HTTPOptions{TLSConfig: &tls.Config{RootCAs: ca.pool, ServerName: "receiver.test"}})
	out := send(t, h, newRequest(url))
	want(t, out, dispatch.Retry, dispatch.ReasonTLS)
	wantClean(t, "the error", out.Err.Error())
	var name x509.HostnameError
	if !errors.As(out.Err, &name) {
		t.Errorf("the error's kind is lost: %T", out.Err)
	}
}

func TestResponseIsOneLine(t *testing.T) {
	t.Parallel()
	body := "first\r\n\x1b]0;title\x07\xff" + strings.Repeat("é", 1000)
	rc := startReceiver(t, answering("HTTP/1.1 500 Oops\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\n\r\n"+body))
	out := send(t, newHTTP(t, dispatch.HTTPOptions{}), newRequest(rc.url))
	want(t, out, dispatch.Retry, dispatch.ReasonStatus)
	wantClean(t, "the response", out.Response)
	if !strings.HasPrefix(out.Response, "first  \uFFFD]0;title\uFFFD\uFFFDé") {
		t.Errorf("the response is %.40q", out.Response)
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	err := errors.Join(errors.New(strings.Repeat("a\n", 5000)), io.EOF)
	out := dispatch.Outcome{Reason: "odd\nreason", Err: err, Response: "\x00", Status: 500}.Clean()
	wantClean(t, "the reason", out.Reason)
	wantClean(t, "the error", out.Err.Error())
	wantClean(t, "the response", out.Response)
	if !errors.Is(out.Err, io.EOF) || out.Status != 500 {
		t.Errorf("outcome is %+v", out)
	}
}
