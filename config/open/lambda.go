package open

import (
	"context"

	"github.com/pushhooks/webhook/dispatch/lambdadispatch"
)

// lambdaSender makes the sender for Lambda webhooks, with the SDK's default credentials and
// endpoints.
func lambdaSender(context.Context) (*lambdadispatch.Sender, error) {
	return lambdadispatch.New(lambdadispatch.Options{})
}
