package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/pushhooks/webhook"
)

// A delivery as the sender makes it.
const exampleBody = `{"time_ms":1403175510755,"events":[{"channel":"test_channel","name":"channel_vacated"}]}`

func exampleHeader() http.Header {
	h := http.Header{}
	h.Set("X-Pusher-Key", "my-key")
	h.Set("X-Pusher-Signature", "c17257e92037cd7de407ebc1ed174ceb7b2e518db127f44411b9ffc4f5b28cc5")
	return h
}

func ExampleVerify() {
	payload, err := webhook.Verify([]byte(exampleBody), exampleHeader(), webhook.Key{Key: "my-key", Secret: "tofu"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range payload.Events {
		fmt.Println(e.Type, e.Channel)
	}

	_, err = webhook.Verify([]byte(exampleBody+" "), exampleHeader(), webhook.Key{Key: "my-key", Secret: "tofu"})
	fmt.Println(errors.Is(err, webhook.ErrBadSignature))
	// Output:
	// channel_vacated test_channel
	// true
}

func ExampleReceiver_Handler() {
	receiver := &webhook.Receiver{
		Keys: []webhook.Key{
			{Key: "my-key", Secret: "tofu"},
			{Key: "my-old-key", Secret: "seitan"}, // as long as it is being rotated
		},
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks", receiver.Handler(func(w http.ResponseWriter, r *http.Request, p *webhook.Payload) {
		for _, e := range p.Events {
			fmt.Println(e.Type, e.Channel)
		}
	}))

	request := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(exampleBody))
	request.Header = exampleHeader()
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, request)
	fmt.Println(answer.Code)
	// Output:
	// channel_vacated test_channel
	// 200
}

func ExampleEvent_Validate() {
	fmt.Println(webhook.MemberAdded("my-app", "presence-chat", "u1").Validate())
	fmt.Println(webhook.MemberAdded("my-app", "presence-chat", "").Validate())
	// Output:
	// <nil>
	// webhook: invalid event: user_id is empty, member_added needs it
}
