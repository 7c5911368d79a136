package open

import (
	"context"
	"errors"

	"github.com/pushhooks/webhook/dispatch"
)

// lambdaSender makes the sender for Lambda webhooks.
func lambdaSender(context.Context) (dispatch.Sender, error) {
	return nil, errors.New("this version cannot deliver to functions yet")
}
