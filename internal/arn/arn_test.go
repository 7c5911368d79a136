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

func TestIsNameTakesNamesAndPartialARNs(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"webhooks": true, "webhooks:live": true, "webhooks:$LATEST": true, "web_hooks-1:7": true, "function:webhooks": true,
		"123456789012:function:webhooks": true, "123456789012:function:webhooks:live": true, "eu-west-1:123456789012:function:webhooks": true,
		"": false, ":": false, "::::": false, "webhooks:": false, ":live": false, "123:function:webhooks": false, "webhooks:live:x": false,
		"web hooks": false, "https://h": false, "webhooks\n": false, "123456789012:function:": false, "wébhooks": false,
	} {
		if got := IsName(name); got != want {
			t.Errorf("%q: got %t", name, got)
		}
	}
}
