// Package testlambda stands in for AWS Lambda in tests: the Invoke API in front, the Runtime API
// behind, and between them a real function, built with aws-lambda-go and run as child processes
// that end with the test.
package testlambda

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Function says what is deployed.
type Function struct {
	Does        string        // what the function does: see package function
	Env         []string      // more of its environment, such as "NAME=value"
	Timeout     time.Duration // how long an invocation may take. Defaults to 10 s.
	Concurrency int           // invocations at once. Defaults to 10.
	MaxPayload  int           // bytes that the API takes. Defaults to Lambda's limits.
	Refusal     *Refusal      // the API refuses every invocation
}

// Refusal is an error that the Invoke API answers with.
type Refusal struct {
	Status     int
	Type       string // such as "TooManyRequestsException"
	Message    string
	RetryAfter string // the header, if it is not empty
}

// Result is what became of one run of a function.
type Result struct {
	Answer json.RawMessage // what it returned, or the error object
	Failed bool
}

// Server is the API of one account and region. It keeps functions, and what became of their runs.
type Server struct {
	URL string

	tb    testing.TB
	front *httptest.Server
	runs  sync.WaitGroup // of Event invocations
	stop  chan struct{}

	mu        sync.Mutex
	functions map[string]*function
	instances map[string]*instance
	requests  []*http.Request
	wake      chan struct{} // closed and replaced when there is another request or result
	lastID    int
}

// retryDelay stands for the minutes that Lambda waits before it invokes a function again that
// failed an Event.
const retryDelay = 10 * time.Millisecond

// Start starts a server without functions, which ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{
		tb:        tb,
		stop:      make(chan struct{}),
		functions: map[string]*function{},
		instances: map[string]*instance{},
		wake:      make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/{name}/invocations", s.invoke)
	mux.HandleFunc("GET /{instance}/2018-06-01/runtime/invocation/next", s.next)
	mux.HandleFunc("POST /{instance}/2018-06-01/runtime/invocation/{id}/{result}", s.result)
	s.front = httptest.NewServer(mux)
	s.URL = s.front.URL
	tb.Cleanup(s.close)
	return s
}

// close ends what is running.
func (s *Server) close() {
	close(s.stop)
	s.runs.Wait()
	s.front.Close()
	for _, i := range s.instances {
		i.kill()
	}
}

// Deploy makes a function available under its name. The first one is built, so that no invocation
// has to wait for it.
func (s *Server) Deploy(name string, f Function) {
	s.tb.Helper()
	if _, err := built(); err != nil {
		s.tb.Fatal("testlambda: ", err)
	}
	if f.Timeout == 0 {
		f.Timeout = 10 * time.Second
	}
	if f.Concurrency == 0 {
		f.Concurrency = 10
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.functions[name] = &function{Function: f, name: name}
}

// WaitResults waits until there are n results of a function, and returns them.
func (s *Server) WaitResults(name string, n int) []Result {
	s.tb.Helper()
	var results []Result
	s.wait(fmt.Sprintf("%d results of %s", n, name), func() bool {
		results = s.functions[name].results
		return len(results) >= n
	})
	return results
}

// WaitRunning waits until n invocations of a function are running.
func (s *Server) WaitRunning(name string, n int) {
	s.tb.Helper()
	s.wait(fmt.Sprintf("%d running invocations of %s", n, name), func() bool { return s.functions[name].taken >= n })
}

// Requests returns the requests at the Invoke API so far, without bodies.
func (s *Server) Requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[:len(s.requests):len(s.requests)]
}

// wait calls done, locked, whenever something happens, until it returns true.
func (s *Server) wait(what string, done func() bool) {
	s.tb.Helper()
	deadline := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		ok, wake := done(), s.wake
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-wake:
		case <-deadline:
			s.tb.Fatalf("testlambda: there are no %s after 30 s", what)
		}
	}
}

// changed wakes those who wait. The server is locked.
func (s *Server) changed() {
	close(s.wake)
	s.wake = make(chan struct{})
}

// host returns host and port, which is how a runtime wants it.
func (s *Server) host() string { return s.front.Listener.Addr().(*net.TCPAddr).String() }
