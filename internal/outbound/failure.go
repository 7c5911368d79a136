package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Failure is what an error of the network means. Reason is one of the words that package dispatch
// has as Reason….
type Failure struct {
	Reason string

	// Unsent reports that nothing was sent, for a reason that has nothing to do with the receiver:
	// this process has no descriptor or route, no name server answers, or the proxy can't be
	// reached.
	Unsent bool
}

// step is where in opening a connection an error arose.
type step uint8

const (
	toReceiver   step = iota // resolving its name, and connecting to it
	toProxy                  // the same for a proxy, and its TLS
	throughProxy             // the proxy's answer
	handshake                // TLS with the receiver
)

// stepError is an error of opening a connection.
type stepError struct {
	at  step
	err error
}

func (e *stepError) Error() string {
	if e.at == toProxy {
		return "the proxy can't be reached: " + e.err.Error()
	}
	return e.err.Error()
}

func (e *stepError) Unwrap() error { return e.err }

// refusedError says that Dialer.Check refused an address.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

func isRefused(err error) bool {
	var refused *refusedError
	return errors.As(err, &refused)
}

// Opening reports whether err arose while a Dialer opened a connection.
func Opening(err error) bool {
	var at *stepError
	return errors.As(err, &at)
}

// Classify returns what an error means that a Dialer, or an http.Transport of any kind, has
// returned for a request.
func Classify(err error) Failure {
	var at *stepError
	if !errors.As(err, &at) {
		return classifyOther(err)
	}
	if lacksResources(err) {
		return Failure{"local", true}
	}
	switch at.at {
	case toProxy:
		f := connectFailure(at.err)
		if isTLS(at.err) {
			f.Reason = "tls"
		}
		return Failure{f.Reason, true}
	case throughProxy:
		return Failure{"proxy", false}
	case handshake:
		if isTimeout(at.err) {
			return Failure{"tls_timeout", false}
		}
		return Failure{"tls", false}
	}
	return connectFailure(at.err)
}

// classifyOther goes by what the error looks like: it arose on an open connection, or in a
// transport without a Dialer.
func classifyOther(err error) Failure {
	var dns *net.DNSError
	var dial *net.OpError
	switch {
	case lacksResources(err):
		return Failure{"local", true}
	case errors.As(err, &dns), errors.As(err, &dial) && dial.Op == "dial":
		return connectFailure(err)
	case isTLS(err):
		return Failure{"tls", false}
	case isReset(err):
		return Failure{"reset", false}
	case isTimeout(err):
		return Failure{"tls_timeout", false}
	case strings.Contains(err.Error(), "response headers exceeded"): // net/http has no name for it
		return Failure{"header_too_large", false}
	}
	return Failure{"bad_answer", false}
}

// connectFailure classifies an error of resolving a name or connecting.
func connectFailure(err error) Failure {
	var dns *net.DNSError
	switch {
	case lacksResources(err):
		return Failure{"local", true}
	case errors.As(err, &dns):
		return Failure{"dns", noNameServer(dns)}
	case isAny(err, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN):
		return Failure{"connect", true}
	case isTimeout(err):
		return Failure{"connect_timeout", false}
	}
	return Failure{"connect", false}
}

// noNameServer reports whether no name server was reached. net keeps no more than the text of what
// a socket said.
func noNameServer(dns *net.DNSError) bool {
	if dns.IsNotFound {
		return false
	}
	for _, errno := range []syscall.Errno{
		syscall.ECONNREFUSED, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN,
	} {
		if strings.Contains(dns.Err, errno.Error()) {
			return true
		}
	}
	return dns.IsTimeout
}

// lacksResources reports whether this process lacked a descriptor, a port or a buffer.
func lacksResources(err error) bool {
	if isAny(err, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL) {
		return true
	}
	var dns *net.DNSError
	return errors.As(err, &dns) && (strings.Contains(dns.Err, syscall.EMFILE.Error()) || outOfFiles())
}

// outOfFiles tries whether a file can be opened. A resolver that can't open the files and sockets
// that it needs may say no more than that there is no such host.
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
	return errors.As(err, &t) && t.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// isReset reports whether the connection has ended.
func isReset(err error) bool {
	return isAny(err, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, errUnfit,
		syscall.ECONNRESET, syscall.EPIPE, syscall.ETIMEDOUT)
}

func isTLS(err error) bool {
	var alert tls.AlertError
	var header tls.RecordHeaderError
	var cert *tls.CertificateVerificationError
	var host x509.HostnameError
	return errors.As(err, &alert) || errors.As(err, &header) || errors.As(err, &cert) || errors.As(err, &host)
}

func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) })
}
