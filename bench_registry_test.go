package webhook

import (
	"fmt"
	"testing"
	"time"
)

// manyWebhooks returns an app with n webhooks, each for the channels of one user.
func manyWebhooks(n int) App {
	a := App{ID: "my-app", Key: "my-key", Secret: "my-secret", Webhooks: make([]Webhook, n)}
	for i := range a.Webhooks {
		a.Webhooks[i] = Webhook{
			URL:        fmt.Sprintf("https://receiver-%d.test/webhooks/%d", i%100, i),
			EventTypes: []EventType{TypeMemberAdded, TypeMemberRemoved},
			Filter:     Filter{ChannelPrefix: fmt.Sprintf("presence-user-%d-", i)},
		}
	}
	return a
}

// SetApp of an app with 20,000 webhooks, one of which changes.
func BenchmarkSetApp(b *testing.B) {
	for _, n := range []int{1, 20_000} {
		b.Run(fmt.Sprintf("webhooks=%d", n), func(b *testing.B) {
			a := manyWebhooks(n)
			e := benchEmitter(b, a)
			b.ReportAllocs()
			best := time.Hour
			for i := 0; b.Loop(); i++ {
				began := time.Now()
				a.Webhooks[n/2].Headers = Headers{"X-Version": fmt.Sprint(i)}
				if err := e.SetApp(a); err != nil {
					b.Fatal(err)
				}
				best = min(best, time.Since(began))
			}
			b.ReportMetric(float64(best.Microseconds()), "best-µs")
		})
	}
}

// Emit for one of an app's 20,000 webhooks, which want the same type on channels with other
// prefixes or of other namespaces.
func BenchmarkEmitManyWebhooks(b *testing.B) {
	for _, by := range []string{"prefix", "namespace"} {
		b.Run(by, func(b *testing.B) {
			a := manyWebhooks(20_000)
			if by == "namespace" {
				for i := range a.Webhooks {
					a.Webhooks[i].Filter = Filter{ChannelNamespace: fmt.Sprintf("user-%d", i)}
				}
			}
			e := benchEmitter(b, a)
			channel := map[string]string{"prefix": "presence-user-12345-room", "namespace": "presence-user-12345:room"}[by]
			emitLoop(b, e, MemberAdded("my-app", channel, "u1"))
		})
	}
}
