package sqsqueue

import "testing"

func TestAQueuesURLIsShownWithoutItsUser(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://sqs.eu-west-1.amazonaws.com/123456789012/q.fifo": "https://sqs.eu-west-1.amazonaws.com/123456789012/q.fifo",
		"http://u:hidden@h:9324/1/q?hidden#hidden":                "http://h:9324/1/q",
		"http://u:/hidden@h/1/q":                                  "REDACTED",
		"http://u:a/hidden@h/1/q":                                 "REDACTED",
		"http://u:1/hidden@h/1/q":                                 "REDACTED",
	} {
		if got := shown(raw); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
		o := Options{QueueURL: raw}
		if got := (opener{opts: o}).describe(); got != want {
			t.Errorf("%s: described as %s, want %s", raw, got, want)
		}
	}
}
