package interop

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/pushhooks/webhook"
)

func TestTheStandardWebhooksLibraryTakesDeliveries(t *testing.T) {
	t.Parallel()
	verifier, err := standardwebhooks.NewWebhook("whsec_" + base64.StdEncoding.EncodeToString([]byte(oldKey.Secret)))
	if err != nil {
		t.Fatal(err)
	}
	deliveries := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if verifier.Verify(append(body, ' '), r.Header) == nil {
			t.Error("an altered body was taken")
		}
		deliveries <- verifier.Verify(body, r.Header)
	}))
	t.Cleanup(server.Close)
	e := start(t, server.URL, nil, webhook.Batching{})
	emit(t, e, everyEvent())
	finish(t, e)
	if err := <-deliveries; err != nil {
		t.Error(err)
	}
}
