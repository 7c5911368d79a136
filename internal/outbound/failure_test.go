package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	at := func(s step, err error) error { return fmt.Errorf("wrapped: %w", &stepError{s, err}) }
	dns := func(d net.DNSError) error { return dial(&d) }
	for _, tc := range []struct {
		err  error
		want Failure
	}{
		{dial(os.NewSyscallError("socket", syscall.EMFILE)), Failure{"local", true}},
		{dial(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)), Failure{"local", true}},
		{dial(os.NewSyscallError("connect", syscall.ENETUNREACH)), Failure{"connect", true}},
		{dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), Failure{"connect", true}},
		{dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), Failure{"connect", false}},
		{dial(os.ErrDeadlineExceeded), Failure{"connect_timeout", false}},
		{dns(net.DNSError{Err: "no such host", IsNotFound: true}), Failure{"dns", false}},
		{dns(net.DNSError{Err: "server misbehaving", IsTemporary: true}), Failure{"dns", false}},
		{dns(net.DNSError{Err: "read udp 127.0.0.1:5->127.0.0.1:53: read: connection refused", IsTemporary: true}), Failure{"dns", true}},
		{dns(net.DNSError{Err: "dial udp 192.0.2.1:53: connect: network is unreachable"}), Failure{"dns", true}},
		{dns(net.DNSError{Err: "dial udp 192.0.2.1:53: socket: too many open files"}), Failure{"local", true}},
		{dns(net.DNSError{Err: "i/o timeout", IsTimeout: true, IsTemporary: true}), Failure{"dns", true}},
	} {
		for _, err := range []error{tc.err, at(toReceiver, tc.err)} {
			if got := Classify(err); got != tc.want {
				t.Errorf("%v is %+v, want %+v", err, got, tc.want)
			}
		}
	}
	for _, tc := range []struct {
		err  error
		want Failure
	}{
		{at(toProxy, dial(syscall.ECONNREFUSED)), Failure{"connect", true}},
		{at(toProxy, &tls.CertificateVerificationError{Err: errors.New("bad")}), Failure{"tls", true}},
		{at(throughProxy, errors.New("it answered 502")), Failure{"proxy", false}},
		{at(throughProxy, os.ErrDeadlineExceeded), Failure{"proxy", false}},
		{at(handshake, context.DeadlineExceeded), Failure{"tls_timeout", false}},
		{at(handshake, io.EOF), Failure{"tls", false}},
		{at(toReceiver, context.DeadlineExceeded), Failure{"connect_timeout", false}},
		{os.ErrDeadlineExceeded, Failure{"tls_timeout", false}}, // net/http's own handshake
		{x509.HostnameError{Certificate: &x509.Certificate{}}, Failure{"tls", false}},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, Failure{"reset", false}},
		{&net.OpError{Op: "read", Err: syscall.ETIMEDOUT}, Failure{"reset", false}},
		{io.ErrUnexpectedEOF, Failure{"reset", false}},
		{fmt.Errorf("write error: %w", errUnfit), Failure{"reset", false}},
		{errors.New("net/http: server response headers exceeded 9 bytes; aborted"), Failure{"header_too_large", false}},
		{errors.New("malformed HTTP response"), Failure{"bad_answer", false}},
	} {
		if got := Classify(tc.err); got != tc.want {
			t.Errorf("%v is %+v, want %+v", tc.err, got, tc.want)
		}
	}
}
