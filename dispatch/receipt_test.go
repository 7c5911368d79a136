package dispatch_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
)

// A receiver that answers before its work is done gets its request's context canceled, and the
// delivery counts.
func TestA2xxHeaderIsTheReceipt(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		select {
		case <-r.Context().Done():
			ended <- r.Context().Err()
		case <-time.After(30 * time.Second):
			ended <- nil
		}
	}))
	t.Cleanup(server.Close)
	h := newHTTP(t, dispatch.HTTPOptions{})
	want(t, send(t, h, newRequest(server.URL)), dispatch.Delivered, "")
	if err := <-ended; err == nil {
		t.Error("the receiver was still being waited for after 30 s")
	}
}
