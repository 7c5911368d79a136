package webhook_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/pagecode"
)

// inbox keeps deliveries. A real one is a table with a unique column for the id, written in the
// transaction that does the work.
type inbox struct {
	mu   sync.Mutex
	seen map[string]bool
}

// store does the work once for each id.
func (in *inbox) store(id string, events []webhook.Event) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.seen[id] {
		return nil
	}
	for _, e := range events {
		fmt.Println(e.Type, e.Channel)
	}
	in.seen[id] = true
	return nil
}

func Example_receiver() {
	inbox := &inbox{seen: map[string]bool{}}
	receiver := webhook.Receiver{
		Keys:   []webhook.Key{{Key: "my-key", Secret: "tofu"}, {Key: "my-old-key", Secret: "seitan"}},
		MaxAge: 5 * time.Minute, // refuses a recorded delivery that somebody sends again later
	}
	receiver.MaxAge = 0 // the delivery of this example is from 2014

	hooks := receiver.Handler(func(w http.ResponseWriter, r *http.Request, p *webhook.Payload) {
		if err := inbox.store(r.Header.Get("Webhook-Id"), p.Events); err != nil {
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})

	for range 2 { // the second is a copy
		request := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(exampleBody))
		request.Header = exampleHeader()
		request.Header.Set("Webhook-Id", "01a2")
		answer := httptest.NewRecorder()
		hooks.ServeHTTP(answer, request)
		fmt.Println(answer.Code)
	}
	// Output:
	// channel_vacated test_channel
	// 204
	// 204
}

func TestTheReceiversPageShowsCodeThatRuns(t *testing.T) {
	t.Parallel()
	pagecode.Check(t, "docs/receivers.md", "example_receiver_test.go")
}
