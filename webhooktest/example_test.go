package webhooktest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/webhooktest"
)

// A host's test: the receiver fails once, and the host is to try again.
func ExampleReceiver() {
	test := func(t testing.TB) {
		r := webhooktest.NewReceiver(t, webhook.Key{Key: "my-key", Secret: "tofu"})
		r.Script(webhooktest.Status(http.StatusServiceUnavailable)) // and 200 from then on

		host(r.URL)

		for _, e := range r.WaitEvents(1, 5*time.Second) {
			fmt.Println(e.Type, e.Channel)
		}
		for _, d := range r.Deliveries() {
			fmt.Println("answered with", d.Status)
		}
	}
	run(test)
	// Output:
	// channel_vacated test_channel
	// answered with 503
	// answered with 200
}

// host stands for the program that is tested: it delivers an event until the receiver takes it.
func host(url string) {
	const body = `{"time_ms":1403175510755,"events":[{"channel":"test_channel","name":"channel_vacated"}]}`
	for delivered := false; !delivered; {
		request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			panic(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("X-Pusher-Key", "my-key")
		request.Header.Set("X-Pusher-Signature", "c17257e92037cd7de407ebc1ed174ceb7b2e518db127f44411b9ffc4f5b28cc5")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			panic(err)
		}
		delivered = answer.StatusCode == http.StatusOK
		_ = answer.Body.Close()
	}
}

// exampleT is the testing.T that an example does not have.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()          {}
func (t *exampleT) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

// run runs a test and then what it left to be cleaned up.
func run(test func(testing.TB)) {
	t := &exampleT{}
	test(t)
	for _, f := range t.cleanups {
		f()
	}
}
