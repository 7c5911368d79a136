package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
)

func TestStandardWebhooksHeadersVerify(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{answer: answers(status(500), status(200))}
		e := start(t, to, func(o *Options) { o.StandardWebhooks = true })
		emit(t, e, occupied(1))
		drain(t, e)
		for _, a := range to.got() {
			a.payload(t, testKey) // Pusher's headers are there too
			stamp := a.Header.Get("Webhook-Timestamp")
			if stamp != strconv.FormatInt(a.at.Unix(), 10) {
				t.Errorf("webhook-timestamp is %q at %d", stamp, a.at.Unix())
			}
			m := hmac.New(sha256.New, []byte("my-secret"))
			fmt.Fprintf(m, "%s.%s.%s", a.JobID, stamp, a.Body)
			if want := "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil)); a.Header.Get("Webhook-Signature") != want {
				t.Errorf("webhook-signature is %q, want %q", a.Header.Get("Webhook-Signature"), want)
			}
		}
	})
}

// The specification's own vector, and its secret's length.
func TestStandardWebhooksVectorVerifies(t *testing.T) {
	t.Parallel()
	s := newSigner("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	const id, body, want = "msg_p5jXN8AQM9LWM0D4loKWxJek", `{"test": 2432232314}`, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	if got := string(s.appendStandard(nil, id, 1614265330, []byte(body))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, n := range []int{1, 24, 64, 65, 200} { // to and beyond the length of a block
		key := []byte(strings.Repeat("k", n))
		m := hmac.New(sha256.New, key)
		fmt.Fprintf(m, "id.1.%s", body)
		secret := Secret("whsec_" + base64.StdEncoding.EncodeToString(key))
		if got, want := string(newSigner(secret).appendStandard(nil, "id", 1, []byte(body))), "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil)); got != want {
			t.Errorf("%d bytes: got %s, want %s", n, got, want)
		}
	}
}

// A receiver has the text of the secret in X-Pusher-Signature, and what it encodes in
// webhook-signature, of every key while one is rotated.
func TestStandardWebhooksHaveASignatureForEachSecret(t *testing.T) {
	t.Parallel()
	encoded := func(key string) Secret { return Secret("whsec_" + base64.StdEncoding.EncodeToString([]byte(key))) }
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		a := testApp("http://receiver.test/")
		a.Secret = encoded("new")
		a.PreviousKeys = []Key{{"my-key", encoded("old")}, {"older", "plain"}, {"other-name", encoded("old")}, {"same-bytes", "new"}}
		e := start(t, to, apps(a), func(o *Options) { o.StandardWebhooks = true })
		emit(t, e, occupied(1))
		drain(t, e)
		at := to.got()[0]
		at.payload(t, Key{"my-key", a.Secret})
		var want []string
		for _, key := range []string{"new", "old", "plain"} {
			m := hmac.New(sha256.New, []byte(key))
			fmt.Fprintf(m, "%s.%d.%s", at.JobID, at.at.Unix(), at.Body)
			want = append(want, "v1,"+base64.StdEncoding.EncodeToString(m.Sum(nil)))
		}
		if got := at.Header.Get("Webhook-Signature"); got != strings.Join(want, " ") {
			t.Errorf("got  %s\nwant %s", got, strings.Join(want, " "))
		}
	})
}

func TestASecretThatOnlyLooksEncodedIsRefused(t *testing.T) {
	t.Parallel()
	const problem = `begins with "whsec_", but what follows is not a secret in base64; Standard Webhooks need the standard alphabet with padding`
	for secret, want := range map[Secret]string{
		"whsec_topsecret!": problem, "whsec_topsecr": problem, "whsec_-_-_": problem,
		"whsec_":             `begins with "whsec_", but what follows is an empty secret in base64; Standard Webhooks need the standard alphabet with padding`,
		"WHSEC_dG9wc2VjcmV0": "", "whsec_dG9wc2VjcmV0": "",
	} {
		o := validOptions()
		app0(&o).Secret = secret
		if got := problemLines(t, o.Validate()); got != "" {
			t.Errorf("without the option: %s", got)
		}
		o.StandardWebhooks = true
		app0(&o).PreviousKeys = []Key{{"k", secret}}
		both := ""
		if want != "" {
			both = "apps[0].secret: " + want + "\napps[0].previous_keys[0].secret: " + want
		}
		if got := problemLines(t, o.Validate()); got != both || strings.Contains(got, "topsecr") {
			t.Errorf("%s: got\n%s\nwant\n%s", string(secret), got, both)
		}
	}
}

func TestWithoutTheOptionThereAreNoStandardWebhooksSignatures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to)
		emit(t, e, occupied(1))
		drain(t, e)
		for name := range to.got()[0].Header {
			if strings.HasPrefix(name, "Webhook-") {
				t.Errorf("there is a header %s", name)
			}
		}
	})
}
