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
