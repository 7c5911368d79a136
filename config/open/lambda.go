package open

import (
	"context"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/dispatch/lambdadispatch"
)

// lambdaSender makes the sender for Lambda webhooks, with the SDK's default credentials and endpoints.
func lambdaSender(context.Context) (dispatch.Sender, error) {
	s, err := lambdadispatch.New(lambdadispatch.Options{})
	if err != nil {
		return nil, err
	}
	return s, nil
}
