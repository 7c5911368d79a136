package dispatch

import (
	"fmt"
	"strings"
	"testing"
)

func TestTargetsAreBounded(t *testing.T) {
	t.Parallel()
	var ts targets
	for i := range 3 * maxTargets {
		if _, err := ts.get(fmt.Sprintf("https://receiver.test/%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	ts.byURL.Range(func(any, any) bool { n++; return true })
	if n > maxTargets {
		t.Errorf("%d URLs are remembered, want at most %d", n, maxTargets)
	}
}

// FuzzTarget holds parseTarget to accept only what can be sent to, and to show no password.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"https://a.test:8443/p?q", "http://[::1]/", "//x", "http:", "http://%41/", "x\x00"} {
		f.Add(s)
	}
	const secret = "hunter2"
	f.Fuzz(func(t *testing.T, rawURL string) {
		rawURL = strings.Replace(rawURL, "//", "//user:"+secret+"@", 1)
		target, err := parseTarget(rawURL)
		if err != nil {
			if strings.Contains(err.Error(), secret) {
				t.Fatalf("error %q shows the password of %q", err, rawURL)
			}
			return
		}
		if target.url.Hostname() == "" || !strings.HasPrefix(target.origin, "http") {
			t.Fatalf("%q is accepted as %+v", rawURL, target)
		}
		if strings.Contains(target.origin, secret) {
			t.Fatalf("origin %q shows the password of %q", target.origin, rawURL)
		}
	})
}
