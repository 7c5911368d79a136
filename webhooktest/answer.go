package webhooktest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// Status answers with a status code and nothing else.
func Status(code int) http.HandlerFunc { return Respond(code, nil, "") }

// Respond answers with a status code, headers such as Retry-After, and a body.
func Respond(code int, header map[string]string, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// Times returns the answer n times, for Script.
func Times(n int, answer http.Handler) []http.Handler {
	answers := make([]http.Handler, n)
	for i := range answers {
		answers[i] = answer
	}
	return answers
}

// Slow answers after d, unless the sender is gone by then.
func Slow(d time.Duration, answer http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			answer.ServeHTTP(w, r)
		case <-r.Context().Done():
			cut()
		}
	}
}

// Hang answers with 200 once release is closed, unless the sender is gone by then. A nil release is
// never closed: the sender, or the end of the test, ends the request.
func Hang(release <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
			w.WriteHeader(http.StatusOK)
		case <-r.Context().Done():
			cut()
		}
	}
}

// Drop cuts the connection instead of answering.
func Drop() http.HandlerFunc {
	return func(http.ResponseWriter, *http.Request) { cut() }
}

// cut ends a handler and its connection.
func cut() { panic(http.ErrAbortHandler) }

// recorder tells of the status before it is sent.
type recorder struct {
	http.ResponseWriter
	answered func(status int)
	done     bool // the status was told, or there is none
}

func (w *recorder) WriteHeader(status int) {
	if status >= http.StatusOK && !w.done {
		w.done = true
		w.answered(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	w.finish()
	return w.ResponseWriter.Write(p)
}

// finish tells of the status that a handler leaves to the server.
func (w *recorder) finish() {
	if !w.done {
		w.done = true
		w.answered(http.StatusOK)
	}
}

// Hijack is here for handlers that write to the connection themselves: no status is recorded for
// them.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.done = true
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap gives http.ResponseController the rest.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
