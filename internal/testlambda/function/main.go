// Command function is a Lambda function for tests. FUNCTION_DOES says what it does with an
// invocation.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/pushhooks/webhook"
)

// answer is what the function returns.
type answer struct {
	Payload json.RawMessage   `json:"payload"`
	Custom  map[string]string `json:"custom"`
	Events  []string          `json:"events"` // type and channel of each
}

func main() {
	invocations := 0
	lambda.Start(func(ctx context.Context, payload json.RawMessage) (*answer, error) {
		invocations++
		a := &answer{Payload: payload, Custom: map[string]string{}}
		if lc, ok := lambdacontext.FromContext(ctx); ok && lc.ClientContext.Custom != nil {
			a.Custom = lc.ClientContext.Custom
		}
		return a, a.do(ctx, os.Getenv("FUNCTION_DOES"), invocations)
	})
}

func (a *answer) do(ctx context.Context, what string, invocation int) error {
	switch what {
	case "error":
		return errors.New("no luck")
	case "error-large":
		return errors.New(strings.Repeat("no luck, ", 1000))
	case "error-twice":
		if invocation <= 2 {
			return fmt.Errorf("no luck with invocation %d", invocation)
		}
	case "panic":
		panic("bad luck")
	case "exit":
		os.Exit(3)
	case "hang":
		<-ctx.Done()
		select {} // past its time, until it is killed
	case "verify-envelope":
		return a.verifyEnvelope()
	case "verify-context":
		return a.verify(a.Payload, a.Custom["key"], a.Custom["signature"])
	}
	return nil
}

// verifyEnvelope verifies a payload of the form {"payload":…,"headers":…,"body":…}.
func (a *answer) verifyEnvelope() error {
	var envelope struct {
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	}
	if err := json.Unmarshal(a.Payload, &envelope); err != nil {
		return err
	}
	return a.verify([]byte(envelope.Body), envelope.Headers["X-Pusher-Key"], envelope.Headers["X-Pusher-Signature"])
}

// verify is what a function of a user would do.
func (a *answer) verify(body []byte, key, signature string) error {
	header := http.Header{"X-Pusher-Key": {key}, "X-Pusher-Signature": {signature}}
	secret := webhook.Secret(os.Getenv("FUNCTION_SECRET"))
	p, err := webhook.Verify(body, header, webhook.Key{Key: os.Getenv("FUNCTION_KEY"), Secret: secret})
	if err != nil {
		return err
	}
	for _, e := range p.Events {
		a.Events = append(a.Events, string(e.Type)+" "+e.Channel)
	}
	return nil
}
