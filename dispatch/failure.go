package dispatch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/net/http/httpguts"
)

// unsendable is the outcome of a request that was not made.
func unsendable(err error) Outcome {
	reason := ReasonBadRequest
	var blocked *blockedError
	if errors.As(err, &blocked) {
		reason = ReasonBlockedAddress
	}
	return Outcome{Verdict: Stop, Reason: reason, Err: err}
}

// failure says what an attempt without an answer came to.
func (a *attempt) failure(ctx context.Context, err error) Outcome {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	reason := a.reason(err)
	verdict := reasonVerdict(reason)
	if verdict == Retry && isCutOff(err) {
		verdict = Unsent
	}
	return Outcome{
		Verdict: verdict,
		Reason:  reason,
		Err:     fmt.Errorf("%s: %w", a.target.origin, a.explain(reason, err)),
	}
}

func reasonVerdict(reason string) Verdict {
	switch reason {
	case ReasonBlockedAddress, ReasonBadRequest:
		return Stop
	case ReasonLocal:
		return Unsent
	}
	return Retry
}

func (a *attempt) reason(err error) string {
	var dial *dialError
	switch {
	case err == context.Canceled: //nolint:errorlint // wrapped, it is a dial's or a handshake's own
		return ReasonCanceled
	case err == context.DeadlineExceeded: //nolint:errorlint // as above
		return ReasonTimeout
	case errors.As(err, &dial):
		return dialReason(dial.err)
	case a.connected:
		return a.exchangeReason(err)
	case !validHeader(a.header):
		return ReasonBadRequest
	case a.proxied && !a.handshake.Load():
		return ReasonProxy
	case isTimeout(err):
		return ReasonTLSTimeout
	}
	return ReasonTLS
}

// validHeader says whether the transport accepts these headers.
func validHeader(h http.Header) bool {
	for name, values := range h {
		invalid := func(v string) bool { return !httpguts.ValidHeaderFieldValue(v) }
		if !httpguts.ValidHeaderFieldName(name) || slices.ContainsFunc(values, invalid) {
			return false
		}
	}
	return true
}

func dialReason(err error) string {
	var blocked *blockedError
	var dns *net.DNSError
	switch {
	case isLocal(err):
		return ReasonLocal
	case errors.As(err, &blocked):
		return ReasonBlockedAddress
	case errors.As(err, &dns):
		return ReasonDNS
	case isTimeout(err):
		return ReasonConnectTimeout
	}
	return ReasonConnect
}

// exchangeReason tells errors on an open connection apart.
func (a *attempt) exchangeReason(err error) string {
	var alert tls.AlertError
	switch {
	case errors.As(err, &alert):
		return ReasonTLS // with TLS 1.3 the receiver refuses a client certificate only now
	case isReset(err) || !a.answered.Load():
		return ReasonReset
	case strings.Contains(err.Error(), "response headers exceeded"): // net/http has no name for it
		return ReasonHeaderTooLarge
	}
	return ReasonBadAnswer
}

// isLocal says whether this host lacked something.
func isLocal(err error) bool {
	for _, lack := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL,
	} {
		if errors.Is(err, lack) {
			return true
		}
	}
	var dns *net.DNSError
	return errors.As(err, &dns) && (strings.Contains(dns.Err, syscall.EMFILE.Error()) || outOfFiles())
}

// isCutOff reports whether this host found no way to the receiver: no route, or no name server that answers. An address
// that refuses or is silent, a name that does not exist and a name server that reports a failure are about the receiver.
func isCutOff(err error) bool {
	var dial *dialError
	if !errors.As(err, &dial) {
		return false
	}
	for _, lack := range []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN} {
		if errors.Is(err, lack) {
			return true
		}
	}
	var dns *net.DNSError
	return errors.As(err, &dns) && !dns.IsNotFound && dns.Err != "server misbehaving" // what net says of SERVFAIL
}

// outOfFiles tries whether a file can be opened. A resolver that can't open the files and sockets that it needs may
// say no more than that there is no such host.
func outOfFiles() bool {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return true
	}
	_ = f.Close()
	return false
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func isReset(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// explain puts err into words. What the receiver wrote is left out: it may echo a header.
func (a *attempt) explain(reason string, err error) error {
	switch reason {
	case ReasonTimeout:
		return fmt.Errorf("%s in time: %w", a.missing(), err)
	case ReasonReset:
		return fmt.Errorf("the connection ended before the answer: %w", err)
	case ReasonHeaderTooLarge:
		return fmt.Errorf("the answer's headers are larger than %d bytes", maxHeaderBytes)
	case ReasonBadAnswer:
		return errors.New("the answer is not valid HTTP")
	case ReasonTLS:
		return explainTLS(err)
	}
	return err
}

// missing says what an attempt that timed out was waiting for.
func (a *attempt) missing() string {
	switch {
	case !a.connected:
		return "no connection"
	case !a.answered.Load():
		return "no answer"
	}
	return "no complete answer"
}

// explainTLS names what is wrong with a certificate.
func explainTLS(err error) error {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("the certificate has expired or is not valid yet: %w", err)
	case errors.As(err, &unknown) && isSelfSigned(unknown.Cert):
		return fmt.Errorf("the certificate is self-signed: %w", err)
	case errors.As(err, &unknown):
		return fmt.Errorf("the certificate is from an unknown authority: %w", err)
	case errors.As(err, &name):
		return fmt.Errorf("the certificate is for another host: %w", err)
	}
	return err
}

func isSelfSigned(c *x509.Certificate) bool {
	return c != nil && bytes.Equal(c.RawIssuer, c.RawSubject)
}
