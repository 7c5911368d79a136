package dispatch

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"

	"github.com/pushhooks/webhook/internal/urltext"
)

// MarshalJSON writes what may be shown of the request, for log lines: the names of its headers, the
// length of its body, and no more of its URL than scheme, host and port.
func (r Request) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		URL       string   `json:"url,omitempty"`
		Lambda    *Lambda  `json:"lambda,omitempty"`
		AppID     string   `json:"app"`
		WebhookID string   `json:"webhook"`
		JobID     string   `json:"job"`
		Attempt   int      `json:"attempt"`
		Headers   []string `json:"headers"`
		BodyBytes int      `json:"body_bytes"`
	}{urltext.Shown(r.URL), r.Lambda, r.AppID, r.WebhookID, r.JobID, r.Attempt, slices.Sorted(maps.Keys(r.Header)), len(r.Body)})
}

// Format writes what MarshalJSON returns, whatever the verb.
func (r Request) Format(f fmt.State, _ rune) {
	text, _ := json.Marshal(r) // it can always be marshaled
	_, _ = f.Write(text)
}

// LogValue returns what Format writes.
func (r Request) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(r)) }

// Format writes the fields by their names, whatever the verb: the proxy without its user.
func (o HTTPOptions) Format(f fmt.State, _ rune) {
	type fields HTTPOptions // without this method
	if o.Proxy != nil {
		proxy := *o.Proxy
		if proxy.User != nil {
			proxy.User = url.User(urltext.Redacted)
		}
		o.Proxy = &proxy
	}
	_, _ = fmt.Fprintf(f, "%+v", fields(o))
}
