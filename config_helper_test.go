package webhook

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// problemLines returns an error's problems, one a line, and fails the test if it is anything but
// nil or a *ConfigError.
func problemLines(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var config *ConfigError
	if !errors.As(err, &config) {
		t.Fatalf("error is a %T: %v", err, err)
	}
	lines := make([]string, len(config.Problems))
	for i, p := range config.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// traitsQueue is a queue that only has traits.
type traitsQueue struct {
	queue.Queue
	traits queue.Traits
}

func (q traitsQueue) Traits() queue.Traits { return q.traits }

func queueWith(t queue.Traits) queue.Queue { return traitsQueue{queue.None, t} }

// anySender is a sender that nobody calls.
var anySender = dispatch.SenderFunc(func(context.Context, *dispatch.Request) dispatch.Outcome { return dispatch.Outcome{} })

// validOptions are options without a mistake, with every field of a webhook set somewhere.
func validOptions() Options {
	return Options{
		Lambda:     anySender,
		EventTypes: []EventType{"document_saved"},
		Apps: []App{{
			ID: "my-app", Key: "my-key", Secret: "my-secret", PreviousKeys: []Key{{Key: "old-key", Secret: "old-secret"}},
			Webhooks: []Webhook{
				{
					ID: "main", URL: "https://user:password@example.com:8443/hooks?token=1",
					EventTypes: []EventType{TypeChannelOccupied, "document_saved"},
					Filter: Filter{
						ChannelPrefix: "presence-", ChannelSuffix: "-eu", ChannelPattern: `^presence-[a-z]+$`,
						ChannelNamespace: "news", ChannelNamespaces: []string{"news", "chat"},
					},
					Headers: Headers{"Authorization": "Bearer token", "X-Custom-Header": "value"},
					Retry: Retry{
						MaxAttempts: 3, MaxElapsed: time.Minute, InitialBackoff: time.Second, MaxBackoff: 5 * time.Second,
					},
					RequestTimeout: 5 * time.Second, Ordered: true, RateLimit: RateLimit{PerSecond: 2.5, Burst: 4},
				},
				{
					Lambda:     &Lambda{FunctionName: "arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST", Region: "eu-west-1"},
					EventTypes: []EventType{TypeMemberAdded}, Retry: Retry{MaxAttempts: -1},
				},
			},
		}},
	}
}
