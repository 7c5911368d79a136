package webhook

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/arn"
	"github.com/pushhooks/webhook/internal/scheduler"
)

// App is one application of the WebSocket server: its credentials and its webhooks. The zero
// values of everything but ID, Key and Secret are useful.
type App struct {
	// ID is what events name in their AppID. Required, unique among the emitter's apps.
	ID string

	// Key and Secret sign deliveries: receivers get Key in X-Pusher-Key, and an
	// HMAC-SHA256 made with Secret in X-Pusher-Signature. Required.
	Key    string
	Secret Secret

	// PreviousKeys are keys that signed before Key did. They still verify jobs that are queued,
	// which are then signed again with Key. A key whose secret has changed can be here with its old
	// secret. Drop them when the queue holds none of theirs any more.
	PreviousKeys []Key

	// Disabled turns the app's webhooks off: Emit accepts its events and does nothing.
	// In JSON it is "enabled": false.
	Disabled bool

	// Webhooks lists the app's endpoints. Identical entries are independent: each receives every
	// event that it matches.
	Webhooks []Webhook
}

// Key is a key of an app, with its secret.
type Key struct {
	Key    string
	Secret Secret
}

// Webhook is one endpoint of an app: where to deliver, and which events. Exactly one of URL and
// Lambda is set.
type Webhook struct {
	// ID identifies the webhook within its app. Give every webhook one: without it, a change of its
	// URL or function makes it another webhook, and the jobs that wait for it become dead letters.
	// Defaults to a hash of the target and the webhook's ordinal among the app's webhooks with that
	// target, so removing one of several with the same target makes the ones behind it take its
	// place. Everything else about a webhook can change without changing it.
	ID string

	// URL is an absolute http or https URL that gets a POST for every delivery. It may hold a user
	// and a password; the messages of configuration errors show no more of it than scheme and host.
	URL string

	// Lambda is an AWS Lambda function to invoke instead. It needs Options.Lambda.
	Lambda *Lambda

	// EventTypes are the events that the webhook wants. Required.
	EventTypes []EventType

	// Filter narrows the channels. Defaults to every channel.
	Filter Filter

	// Headers are sent with every request, in addition to the library's own. They are read when an
	// attempt is made and never stored in a queue. Names of the library's and the transport's own
	// headers are refused: X-Pusher-*, Webhook-*, Content-Type, Content-Length, Host, hop-by-hop
	// names.
	Headers Headers

	// UserInfoAsString sends an event's user_info as a string that holds its JSON, as data is sent.
	// Set it for receivers that use Pusher's .NET library: it reads every field as a string, and
	// loses a batch with a user_info that is an object. In JSON "user_info_as_string". Defaults to
	// false.
	UserInfoAsString bool

	// Retry overrides Options.Retry, field by field.
	Retry Retry

	// RequestTimeout bounds one attempt, from dialing to the end of the answer. Defaults to
	// Options.RequestTimeout.
	RequestTimeout time.Duration

	// Ordered delivers one job at a time and lets none overtake: a job that fails holds the webhook
	// until its budget ends. It costs throughput: one job each round trip.
	Ordered bool

	// RateLimit bounds attempts by this process. Defaults to no limit.
	RateLimit RateLimit
}

// Lambda names an AWS Lambda function.
type Lambda = dispatch.Lambda

// Retry says how long and how often a failed delivery is repeated. A zero field takes the default.
type Retry struct {
	// MaxAttempts bounds the number of attempts of a job: 1 is no retries, -1 is no limit but
	// MaxElapsed. Defaults to no limit. In JSON, "enabled": false is 1, and "enabled": true is -1
	// where the default is 1.
	MaxAttempts int
	unlessOne   bool // "enabled": true in JSON, without max_attempts: -1 where the default is 1

	// MaxElapsed is the budget: how long after its first attempt a job is still tried. A job is
	// given up after a failed attempt at the end of its budget or later, so a backoff that would
	// end later is shortened. Defaults to 5 minutes, Pusher's figure.
	MaxElapsed time.Duration

	// MaxAge is how old a job may be and still be tried, counted from when the queue took it or
	// from its replay. An older one is given up without an attempt, such as when its webhook was
	// down for long. So is, on queues outside this process, a job that was sealed five minutes more
	// than this ago, whatever its queue says; nodes' clocks may differ by so much. Defaults to 1
	// hour, or to twice MaxElapsed if that is more.
	MaxAge time.Duration

	// InitialBackoff is the delay after the first failed attempt; it doubles with every other one,
	// up to MaxBackoff, and up to 25 % are added at random. Default to 1 second and 60 seconds.
	InitialBackoff time.Duration
	MaxBackoff     time.Duration
}

// RateLimit bounds the attempts of one webhook by one process. The jobs wait in the queue, not in a
// worker.
type RateLimit struct {
	PerSecond float64 // attempts a second on average, 0.001 to 1,000,000; 0 is no limit
	// attempts at once after a pause, up to 1,000,000. Defaults to PerSecond rounded up.
	Burst int
}

// rate returns r with its default.
func (r RateLimit) rate() scheduler.Rate {
	burst := r.Burst
	if burst == 0 {
		burst = int(math.Ceil(r.PerSecond))
	}
	return scheduler.Rate{PerSecond: r.PerSecond, Burst: burst}
}

// Secret is a key's secret. It prints, logs and marshals as REDACTED; string(s) is the secret
// itself. An app whose secret is the word REDACTED is refused, so that a configuration that went
// through a log or through json.Marshal does not sign with it unnoticed.
//
// Package fmt calls no methods of values in unexported fields: a Secret in such a field of a host's
// struct is printed, and so is one behind a pointer to a host's type that a verb does not fit. Keep
// it in an exported field, and give the struct a Format method.
type Secret string

const redacted = "REDACTED"

// Format writes REDACTED, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue returns REDACTED.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns REDACTED.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Headers are a webhook's custom headers by name. Their values may be secrets: they print, log and
// marshal as REDACTED.
type Headers map[string]string

func (h Headers) redacted() map[string]string {
	m := make(map[string]string, len(h))
	for name := range h {
		m[name] = redacted
	}
	return m
}

// Format writes the names, with REDACTED for every value.
func (h Headers) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, h.redacted()) }

// LogValue returns the names, with REDACTED for every value.
func (h Headers) LogValue() slog.Value { return slog.AnyValue(h.redacted()) }

// clone returns a copy of a that shares nothing that can be changed, with the regions that
// functions' ARNs hold.
func (a App) clone() App {
	a.PreviousKeys = slices.Clone(a.PreviousKeys)
	a.Webhooks = slices.Clone(a.Webhooks)
	n := 0
	for i := range a.Webhooks {
		n += len(a.Webhooks[i].EventTypes)
	}
	types := make([]EventType, 0, n) // of all webhooks, as there may be many
	for i := range a.Webhooks {
		w := &a.Webhooks[i]
		if n := len(w.EventTypes); n > 0 {
			types = append(types, w.EventTypes...)
			w.EventTypes = slices.Clip(types[len(types)-n:])
		}
		w.Headers = maps.Clone(w.Headers)
		w.Filter.ChannelNamespaces = slices.Clone(w.Filter.ChannelNamespaces)
		if w.Lambda != nil {
			l := *w.Lambda
			l.Region = cmp.Or(l.Region, arn.Region(l.FunctionName))
			w.Lambda = &l
		}
	}
	return a
}
