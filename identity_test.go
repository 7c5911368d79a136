package webhook

import (
	"slices"
	"strings"
	"testing"
)

func TestIdentityIsTheTargetsHashAndOrdinal(t *testing.T) {
	t.Parallel()
	const url = "https://example.com/hooks"
	first := targetIdentity("url:"+url, 0)
	if !strings.HasPrefix(first, "wh_") || len(first) != len("wh_")+12 {
		t.Errorf("identity %q is not wh_ and 12 hex digits", first)
	}
	got := identities([]Webhook{
		{URL: url},
		{URL: "https://example.com/other"},
		{URL: url, ID: "mine"},
		{URL: url},
		{Lambda: &Lambda{FunctionName: "f", Region: "us-east-1"}},
		{Lambda: &Lambda{FunctionName: "f", Region: "eu-west-1"}},
	})
	want := []string{
		first, targetIdentity("url:https://example.com/other", 0), "mine", first + "-2",
		targetIdentity("lambda:us-east-1:f", 0), targetIdentity("lambda:eu-west-1:f", 0),
	}
	if !slices.Equal(got, want) {
		t.Errorf("identities are %q, want %q", got, want)
	}
}

func TestIdentityStaysWhenAnythingButTheTargetChanges(t *testing.T) {
	t.Parallel()
	before := Webhook{URL: "https://example.com/hooks", EventTypes: []EventType{TypeCacheMiss}}
	after := Webhook{
		URL: before.URL, EventTypes: []EventType{TypeMemberAdded}, Filter: Filter{ChannelPrefix: "a"},
		Headers: Headers{"X-A": "b"}, Retry: Retry{MaxAttempts: 1}, RequestTimeout: 1, Ordered: true,
	}
	if a, b := identities([]Webhook{before}), identities([]Webhook{after}); a[0] != b[0] {
		t.Errorf("the identity went from %q to %q", a[0], b[0])
	}
}

// The identity is in queues that outlive a process, so it must never change.
func TestIdentityIsStableAcrossVersions(t *testing.T) {
	t.Parallel()
	got := identities([]Webhook{{URL: "https://example.com/hooks"}})[0]
	if want := "wh_09d20ce17f50"; got != want {
		t.Errorf("identity is %q, want %q", got, want)
	}
}
