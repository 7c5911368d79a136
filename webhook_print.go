package webhook

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/pushhooks/webhook/internal/urltext"
)

// A type that holds secrets has a Format method, even where the types of its fields print as
// REDACTED: package fmt asks none of the fields when a verb does not fit a pointer to the whole, as
// in fmt.Sprintf("%s", map[string]any{"app": &app}).

// Format writes the app as its JSON, whatever the verb: without secrets.
func (a App) Format(f fmt.State, _ rune) { writeJSON(f, a) }

// Format writes the key as its JSON, whatever the verb: without the secret.
func (k Key) Format(f fmt.State, _ rune) { writeJSON(f, k) }

// Format writes the webhook as its JSON, whatever the verb: without header values, and with no more
// of its URL than scheme, host and port.
func (w Webhook) Format(f fmt.State, _ rune) {
	text, err := json.Marshal(w)
	if err != nil { // such as a rate limit that is no number
		text = []byte(shownURL(w.URL))
	}
	_, _ = f.Write(text)
}

// LogValue returns what Format writes.
func (w Webhook) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(w)) }

// Format writes the fields by their names, whatever the verb: without secrets.
func (o Options) Format(f fmt.State, _ rune) {
	type fields Options // without this method
	_, _ = fmt.Fprintf(f, "%+v", fields(o))
}

// Format writes the fields by their names, whatever the verb: without secrets.
func (r Receiver) Format(f fmt.State, _ rune) {
	type fields Receiver // without this method
	_, _ = fmt.Fprintf(f, "%+v", fields(r))
}

// writeJSON writes v's JSON, or what is wrong with it.
func writeJSON(f fmt.State, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte(err.Error())
	}
	_, _ = f.Write(text)
}

// shownURL returns the URL with REDACTED for its user, path and query.
func shownURL(raw string) string { return urltext.Shown(raw) }
