package lambdadispatch

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/pushhooks/webhook/dispatch"
)

// recorder is a Client that remembers its last call.
type recorder struct {
	region string
	in     *lambda.InvokeInput
}

func (r *recorder) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	r.in = in
	return &lambda.InvokeOutput{StatusCode: 202}, nil
}

func TestATargetSaysItsOwnTypeEnvelopeAndRegion(t *testing.T) {
	t.Parallel()
	var calls recorder
	s := newSender(t, Options{Client: func(_ context.Context, region string) (Client, error) {
		calls.region = region
		return &calls, nil
	}})
	const name = "arn:aws:lambda:eu-west-1:123456789012:function:f"
	r := request(name)
	r.Lambda = &dispatch.Lambda{FunctionName: name, InvocationType: "RequestResponse", Envelope: true}
	if out := send(t, s, r); out.Verdict != dispatch.Delivered {
		t.Fatalf("got %+v", out)
	}
	if calls.region != "eu-west-1" || calls.in.InvocationType != "RequestResponse" || !strings.HasPrefix(string(calls.in.Payload), `{"payload":`) {
		t.Errorf("region %q, type %q, payload %.20s", calls.region, calls.in.InvocationType, calls.in.Payload)
	}
	if out := send(t, s, request("f")); out.Verdict != dispatch.Delivered {
		t.Fatalf("got %+v", out)
	}
	if calls.region != "us-east-1" || calls.in.InvocationType != "Event" || string(calls.in.Payload) != testBody {
		t.Errorf("region %q, type %q, payload %.20s", calls.region, calls.in.InvocationType, calls.in.Payload)
	}
}
