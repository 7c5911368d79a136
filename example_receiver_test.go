package webhook_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
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

// The Go code on the page of receivers is the code that runs above, but for its indentation.
func TestTheReceiversPageShowsCodeThatRuns(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/receivers.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_receiver_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```go\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("there is no Go code on the page")
	}
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		if !strings.Contains(unindented(string(source)), unindented(code)) {
			t.Errorf("this code is not in example_receiver_test.go:\n%s", code)
		}
	}
}

func unindented(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}
