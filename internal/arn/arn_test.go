package arn

import "testing"

func TestRegionIsThatOfAFunctionsARN(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"arn:aws:lambda:eu-west-1:123456789012:function:webhooks":         "eu-west-1",
		"arn:aws:lambda:eu-west-1:123456789012:function:webhooks:live":    "eu-west-1",
		"arn:aws:lambda:eu-west-1:123456789012:function:webhooks:$LATEST": "eu-west-1",
		"arn:aws-cn:lambda:cn-north-1:123456789012:function:f":            "cn-north-1",
		"arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:f_1-a": "us-gov-west-1",
		"arn:aws:sqs:eu-west-1:123456789012:webhooks":                     "",
		"arn:aws:lambda:eu-west-1:123456789012:layer:webhooks":            "",
		"arn:aws:lambda:eu-west-1:123456789012:function":                  "",
		"arn:aws:lambda:eu-west-1:12345:function:webhooks":                "",
		"arn:aws:lambda:eu-west-1:123456789012:function:f:live:x":         "",
		"arn:aws:lambda::123456789012:function:f":                         "",
		"123456789012:function:webhooks":                                  "",
		"webhooks:live":                                                   "",
		"webhooks":                                                        "",
	} {
		if got := Region(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if !Is("arn:aws:sqs:eu-west-1:123456789012:webhooks") || Is("123456789012:function:webhooks") {
		t.Error("Is mistakes one for the other")
	}
}
