package dispatch

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"golang.org/x/net/http/httpguts"

	"github.com/pushhooks/webhook/internal/outbound"
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
	verdict, reason := a.meaning(err)
	return Outcome{
		Verdict: verdict,
		Reason:  reason,
		Err:     fmt.Errorf("%s: %w", a.target.origin, a.explain(reason, err)),
	}
}

func (a *attempt) meaning(err error) (Verdict, string) {
	var blocked *blockedError
	opening := outbound.Opening(err)
	switch {
	case err == context.Canceled: //nolint:errorlint // wrapped, it is a dial's or a handshake's own
		return Retry, ReasonCanceled
	case err == context.DeadlineExceeded: //nolint:errorlint // as above
		return Retry, ReasonTimeout
	case opening && errors.As(err, &blocked):
		return Stop, ReasonBlockedAddress
	case !opening && !a.connected && !validHeader(a.header):
		return Stop, ReasonBadRequest
	}
	f := outbound.Classify(err)
	switch {
	case f.Unsent:
		return Unsent, f.Reason
	case a.connected && !a.answered.Load() && f.Reason != ReasonTLS:
		// TLS 1.3: the receiver refuses a client certificate only now.
		return Retry, ReasonReset
	}
	return Retry, f.Reason
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
