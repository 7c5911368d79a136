package lambdadispatch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pushhooks/webhook/dispatch"
)

// serve accepts connections on loopback and hands each to handle, with its number from 1, until the
// test ends.
func serve(t *testing.T, handle func(c net.Conn, n int)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			handle(c, n)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return "http://" + l.Addr().String()
}

// readRequest reads one request from a connection, and returns the reader for more.
func readRequest(c io.Reader, r *bufio.Reader) *bufio.Reader {
	if r == nil {
		r = bufio.NewReader(c)
	}
	if req, err := http.ReadRequest(r); err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
	}
	return r
}

const acceptedAnswer = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"

func TestFault11ClosedIdleConnectionCostsNoAttempt(t *testing.T) {
	t.Parallel()
	url := serve(t, func(c net.Conn, n int) {
		r := readRequest(c, nil)
		fmt.Fprint(c, acceptedAnswer)
		if n == 1 {
			readRequest(c, r) // and then closes
		}
	})
	s := newSender(t, Options{EndpointURL: url})
	for range 2 {
		wantDelivered(t, send(t, s, request("f")), 202)
	}
}

func TestFault09ResetOnAFreshConnectionIsAnAttempt(t *testing.T) {
	t.Parallel()
	connections := make(chan int, 10)
	url := serve(t, func(c net.Conn, n int) {
		connections <- n
		readRequest(c, nil)
	})
	s := newSender(t, Options{EndpointURL: url})
	wantFailure(t, send(t, s, request("f")), dispatch.Retry, 0, dispatch.ReasonReset)
	if n := len(connections); n != 1 {
		t.Errorf("one attempt made %d connections", n)
	}
}

func TestFault05EventIsDeliveredAtTheStatusLine(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, "and then")
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	defer server.Close()
	defer close(release)
	s := newSender(t, Options{EndpointURL: server.URL})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	wantDelivered(t, s.Send(ctx, request("f")), 202)
	if ctx.Err() != nil {
		t.Error("the attempt waited for the answer's end")
	}
}

func TestFault10ResetInTheAnswerOfAFunctionThatSucceeded(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]dispatch.Verdict{
		"X-Other: 1": dispatch.Delivered, "X-Amz-Function-Error: Unhandled": dispatch.Retry,
	} {
		url := serve(t, func(c net.Conn, _ int) {
			readRequest(c, nil)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s\r\nContent-Length: 100\r\n\r\nhalf", header)
		})
		s := newSender(t, Options{EndpointURL: url, InvocationType: RequestResponse})
		if out := send(t, s, request("f")); out.Verdict != want || out.Status != 200 {
			t.Errorf("with %s: got %+v, want %v", header, out, want)
		}
	}
}

func TestFault06HugeAnswerIsNotRead(t *testing.T) {
	t.Parallel()
	written := make(chan int64, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var n int64
		for chunk := make([]byte, 1<<20); n < 1<<30; {
			k, err := w.Write(chunk)
			n += int64(k)
			if err != nil {
				break
			}
		}
		written <- n
	}))
	defer server.Close()
	s := newSender(t, Options{EndpointURL: server.URL, InvocationType: RequestResponse})
	wantDelivered(t, send(t, s, request("f")), 200)
	if n := <-written; n > 64<<20 {
		t.Errorf("%d bytes of the answer were taken", n)
	}
}

func TestFault12RedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	followed := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	defer followed.Close()
	server := httptest.NewServer(http.RedirectHandler(followed.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	s := newSender(t, Options{EndpointURL: server.URL})
	wantFailure(t, send(t, s, request("f")), dispatch.Retry, 307, dispatch.ReasonStatus)
}

func TestConnectionFailuresAreNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := l.Addr().String()
	l.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	tests := []struct{ name, url, reason string }{
		{"refused", "http://" + refused, dispatch.ReasonConnect},
		{"unknown authority", secure.URL, dispatch.ReasonTLS},
		{"not TLS", strings.Replace(serve(t, func(c net.Conn, _ int) { fmt.Fprint(c, "hello\n") }), "http:", "https:", 1), dispatch.ReasonTLS},
		{"not HTTP", serve(t, func(c net.Conn, _ int) { readRequest(c, nil); fmt.Fprint(c, "hello\n\n") }), dispatch.ReasonBadAnswer},
	}
	for _, tt := range tests {
		s := newSender(t, Options{EndpointURL: tt.url})
		t.Run(tt.name, func(t *testing.T) {
			wantFailure(t, send(t, s, request("f")), dispatch.Retry, 0, tt.reason)
		})
	}
}

func TestErrorsOfTheConnectionAreToldApart(t *testing.T) {
	t.Parallel()
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	tests := []struct {
		err     error
		verdict dispatch.Verdict
		reason  string
	}{
		{dial(os.NewSyscallError("socket", syscall.EMFILE)), dispatch.Unsent, dispatch.ReasonLocal},
		{dial(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)), dispatch.Unsent, dispatch.ReasonLocal},
		{dial(&net.DNSError{Err: "no such host", IsNotFound: true}), dispatch.Retry, dispatch.ReasonDNS},
		{dial(os.ErrDeadlineExceeded), dispatch.Retry, dispatch.ReasonConnectTimeout},
		{dial(syscall.EHOSTUNREACH), dispatch.Unsent, dispatch.ReasonConnect},
		{dial(syscall.ECONNREFUSED), dispatch.Retry, dispatch.ReasonConnect},
		{os.ErrDeadlineExceeded, dispatch.Retry, dispatch.ReasonTLSTimeout},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, dispatch.Retry, dispatch.ReasonReset},
		{io.ErrUnexpectedEOF, dispatch.Retry, dispatch.ReasonReset},
	}
	for _, tt := range tests {
		s := withClients(t, func(context.Context, string) (Client, error) {
			return clientFunc(func(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
				return nil, fmt.Errorf("operation error: %w", &smithyhttp.RequestSendError{Err: tt.err})
			}), nil
		})
		wantFailure(t, send(t, s, request("f")), tt.verdict, 0, tt.reason)
	}
}

func TestClientThatMakesNoCallIsRetried(t *testing.T) {
	t.Parallel()
	s := withClients(t, func(context.Context, string) (Client, error) {
		return clientFunc(func(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
			return nil, errors.New("no luck")
		}), nil
	})
	wantFailure(t, send(t, s, request("f")), dispatch.Retry, 0, ReasonClient)
}

// These change the environment, so they run alone.

func TestMissingCredentialsAreRetried(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	s := newSender(t, Options{EndpointURL: "http://127.0.0.1:1"})
	out := send(t, s, request("f"))
	wantFailure(t, out, dispatch.Retry, 0, ReasonCredentials)
	if !strings.Contains(out.Err.Error(), "lambda function f in us-east-1: no AWS credentials: ") {
		t.Errorf("the error is %v", out.Err)
	}
}

func TestOutputOfACredentialProcessStaysSecret(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	writeConfig(t, "[default]\ncredential_process = echo secret-access-key\n")
	s := newSender(t, Options{EndpointURL: "http://127.0.0.1:1"})
	out := send(t, s, request("f"))
	wantFailure(t, out, dispatch.Retry, 0, ReasonCredentials)
	if !strings.Contains(out.Err.Error(), "the credential_process failed") {
		t.Errorf("the error is %v", out.Err)
	}
}

func TestBrokenConfigurationFailsAtOnce(t *testing.T) {
	t.Setenv("AWS_PROFILE", "nobody")
	writeConfig(t, "[default]\n")
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "lambdadispatch: load the AWS configuration: ") {
		t.Errorf("got %v", err)
	}
}

func TestEndpointOfTheEnvironmentIsUsed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL_LAMBDA", server.URL)
	s := newSender(t, Options{})
	wantDelivered(t, send(t, s, request("f")), 202)
}

// writeConfig makes the SDK read this configuration.
func writeConfig(t *testing.T, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", path)
}

// An attempt that is cut off while it waits for an answer returns at once.
func TestFault03RequestReadButNotAnsweredIsRetried(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	s := newSender(t, Options{EndpointURL: server.URL})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	wantFailure(t, s.Send(ctx, request("f")), dispatch.Retry, 0, dispatch.ReasonTimeout)
}

func TestConnectionsToTheAPIEndAtTheirAge(t *testing.T) {
	t.Parallel()
	connections := make(chan int, 10)
	url := serve(t, func(c net.Conn, n int) {
		connections <- n
		for r := readRequest(c, nil); r != nil; r = readRequest(c, r) {
			if _, err := fmt.Fprint(c, acceptedAnswer); err != nil {
				return
			}
		}
	})
	s := newSender(t, Options{EndpointURL: url, MaxConnAge: 50 * time.Millisecond})
	for range 2 {
		wantDelivered(t, send(t, s, request("f")), 202)
		time.Sleep(100 * time.Millisecond)
	}
	if n := len(connections); n != 2 {
		t.Errorf("two invocations took %d connections", n)
	}
	s = newSender(t, Options{EndpointURL: url})
	for range 2 {
		wantDelivered(t, send(t, s, request("f")), 202)
	}
	if n := len(connections); n != 3 {
		t.Errorf("the connection was not used again: there were %d", n-2)
	}
}

func TestBytesBehindAnAnswerOfTheAPI(t *testing.T) {
	t.Parallel()
	url := serve(t, func(c net.Conn, _ int) {
		readRequest(c, nil)
		fmt.Fprint(c, acceptedAnswer+"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
	})
	s := newSender(t, Options{EndpointURL: url})
	for range 3 {
		wantDelivered(t, send(t, s, request("f")), 202)
	}
}

func TestErrorOfTheNetworkIsOneLine(t *testing.T) {
	t.Parallel()
	s := withClients(t, func(context.Context, string) (Client, error) {
		return nil, errors.New(strings.Repeat("no\n\x1b[31mluck", 10_000))
	})
	out := send(t, s, request("f"))
	wantFailure(t, out, dispatch.Retry, 0, ReasonClient)
	if text := out.Err.Error(); len(text) > 1024 || strings.ContainsAny(text, "\n\x1b") {
		t.Errorf("the error has %d bytes: %.80q", len(text), text)
	}
}
