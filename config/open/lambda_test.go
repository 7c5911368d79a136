package open

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/config"
)

// lambdaConfig is a configuration with one webhook, to a function.
const lambdaConfig = `{"app_manager": {"array": {"apps": [{
	"id": "my-app", "key": "my-key", "secret": "my-secret",
	"webhooks": [{"lambda_function": "f", "region": "eu-west-1", "event_types": ["channel_occupied"]}]
}]}}}`

// The SDK takes the endpoint from the environment, so this test runs alone.
func TestLambdaSenderIsMadeForAFunction(t *testing.T) {
	called := make(chan string, 1)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called <- r.URL.Path + " " + r.Header.Get("Authorization")
		w.WriteHeader(http.StatusAccepted)
	}))
	defer api.Close()
	t.Setenv("AWS_ENDPOINT_URL_LAMBDA", api.URL)
	cfg, err := config.Parse([]byte(lambdaConfig), nil)
	if err != nil {
		t.Fatal(err)
	}
	o, closer, err := Options(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	em, err := webhook.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := em.Emit(webhook.ChannelOccupied("my-app", "c")); err != nil {
		t.Fatal(err)
	}
	if err := em.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := <-called
	if !strings.HasPrefix(got, "/2015-03-31/functions/f/invocations AWS4-HMAC-SHA256 ") || !strings.Contains(got, "/eu-west-1/lambda/") {
		t.Errorf("the call was %s", got)
	}
}

func TestLambdaSenderThatCannotBeMadeIsNamed(t *testing.T) {
	t.Setenv("AWS_PROFILE", "nobody")
	cfg, err := config.Parse([]byte(lambdaConfig), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Options(t.Context(), cfg); err == nil || !strings.HasPrefix(err.Error(), "config/open: Lambda: lambdadispatch: ") {
		t.Errorf("got %v", err)
	}
}
