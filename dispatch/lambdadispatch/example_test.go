package lambdadispatch_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch/lambdadispatch"
)

// printer stands for AWS in the examples.
type printer struct{ region string }

func (p printer) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	fmt.Println(in.InvocationType, "of", aws.ToString(in.FunctionName), "in", p.region)
	return &lambda.InvokeOutput{StatusCode: 202}, nil
}

// Without Client, the sender uses the credentials of the SDK's default chain.
func ExampleNew() {
	sender, err := lambdadispatch.New(lambdadispatch.Options{
		Envelope: true,
		Client: func(_ context.Context, region string) (lambdadispatch.Client, error) {
			return printer{region}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sender.Close()
	em, err := webhook.New(webhook.Options{
		Lambda: sender,
		Apps: []webhook.App{{
			ID: "my-app", Key: "my-key", Secret: "my-secret",
			Webhooks: []webhook.Webhook{{
				Lambda:     &webhook.Lambda{FunctionName: "my-webhook-handler", Region: "us-east-1"},
				EventTypes: []webhook.EventType{webhook.TypeChannelOccupied},
			}},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := em.Emit(webhook.ChannelOccupied("my-app", "presence-chat")); err != nil {
		fmt.Println(err)
	}
	if err := em.Shutdown(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Event of my-webhook-handler in us-east-1
}
