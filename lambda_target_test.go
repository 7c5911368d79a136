package webhook

import (
	"encoding/json"
	"testing"
)

const functionARN = "arn:aws:lambda:eu-west-1:123456789012:function:webhooks"

func TestLambdaTargetsInJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Lambda{
		`{"lambda_function": "` + functionARN + `"}`:                                            {FunctionName: functionARN},
		`{"lambda_function": "f"}`:                                                              {FunctionName: "f", Region: "us-east-1"},
		`{"lambda": {"function_name": "` + functionARN + `"}}`:                                  {FunctionName: functionARN},
		`{"lambda": {"function_name": "f", "region": "eu-west-1", "invocation_type": "Event"}}`: {FunctionName: "f", Region: "eu-west-1", InvocationType: "Event"},
		`{"lambda": {"function_name": "f", "region": "eu-west-1", "envelope": true}}`:           {FunctionName: "f", Region: "eu-west-1", Envelope: true},
		`{"lambda_function": "f", "lambda": {"async": true, "region": "eu-west-1", "client_options": {}}}`: {
			FunctionName: "f", Region: "eu-west-1", InvocationType: "Event",
		},
		`{"lambda_function": "f", "lambda": {"async": false}}`: {FunctionName: "f", Region: "us-east-1", InvocationType: "RequestResponse"},
	} {
		var w Webhook
		if err := json.Unmarshal([]byte(text), &w); err != nil || w.Lambda == nil || *w.Lambda != want {
			t.Errorf("%s: got %+v, %v; want %+v", text, w.Lambda, err, want)
		}
		again, err := json.Marshal(w)
		var w2 Webhook
		if err != nil || json.Unmarshal(again, &w2) != nil || *w2.Lambda != want {
			t.Errorf("%s became %s, %v", text, again, err)
		}
	}
}

func TestTheRegionOfAnARNCounts(t *testing.T) {
	t.Parallel()
	a := App{ID: "a", Webhooks: []Webhook{{Lambda: &Lambda{FunctionName: functionARN}}}}
	if got := a.clone().Webhooks[0].Lambda.Region; got != "eu-west-1" {
		t.Errorf("the region is %q", got)
	}
}

func TestMistakesInLambdaTargetsAreNamed(t *testing.T) {
	t.Parallel()
	checkMistakes(t, []mistake{
		{"an ARN alone", func(o *Options) { lambdaHook(o).Lambda = &Lambda{FunctionName: functionARN} }, ""},
		{"an ARN and its region", func(o *Options) { lambdaHook(o).Lambda = &Lambda{FunctionName: functionARN, Region: "eu-west-1"} }, ""},
		{
			"an ARN and another region", func(o *Options) { lambdaHook(o).Lambda = &Lambda{FunctionName: functionARN, Region: "us-east-1"} },
			`apps[0].webhooks[1].lambda.region: is "us-east-1", but the function's ARN is of "eu-west-1"; leave the region out`,
		},
		{
			"the ARN of a queue", func(o *Options) {
				lambdaHook(o).Lambda = &Lambda{FunctionName: "arn:aws:sqs:eu-west-1:123456789012:webhooks", Region: "eu-west-1"}
			},
			`apps[0].webhooks[1].lambda.function_name: is "arn:aws:sqs:eu-west-1:123456789012:webhooks", which is no function's ARN; must be like "arn:aws:lambda:us-east-1:123456789012:function:my-function"`,
		},
		{
			"an invocation type", func(o *Options) {
				lambdaHook(o).Lambda = &Lambda{FunctionName: functionARN, InvocationType: "event"}
			},
			`apps[0].webhooks[1].lambda.invocation_type: is "event"; must be "Event" or "RequestResponse"`,
		},
	})
}

func TestWebhooksMayBeTextInJSON(t *testing.T) {
	t.Parallel()
	var a App
	err := json.Unmarshal([]byte(`{"id": "a", "webhooks": "[{\"url\": \"https://example.com\", \"event_types\": [\"cache_miss\"]}]"}`), &a)
	if err != nil || len(a.Webhooks) != 1 || a.Webhooks[0].URL != "https://example.com" {
		t.Errorf("got %+v, %v", a, err)
	}
	err = json.Unmarshal([]byte(`{"id": "a", "webhooks": "[{\"ulr\": 1}"}`), &a)
	want := `webhooks: is a string, which must hold JSON: line 1, column 11: unexpected end of JSON input`
	if got := problemLines(t, err); got != want {
		t.Errorf("got %s", got)
	}
}
