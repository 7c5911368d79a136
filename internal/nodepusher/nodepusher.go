// Package nodepusher is an endpoint for tests at which the official Pusher library for Node, the
// npm package pusher, judges deliveries.
package nodepusher

import (
	"embed"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/pushhooks/webhook/internal/nodeserver"
)

//go:embed package.json package-lock.json server.mjs
var files embed.FS

// Token is a key that deliveries may be signed with.
type Token struct {
	Key    string `json:"key"`
	Secret string `json:"secret"`
}

// Verdict is what the library says of one delivery.
type Verdict struct {
	Valid  bool             `json:"valid"`   // isValid()
	Key    string           `json:"key"`     // of the header
	TimeMS int64            `json:"time_ms"` // getTime(), if it is valid
	Events []map[string]any `json:"events"`  // getEvents(), if it is valid
}

// Receiver is the endpoint. It answers 200 to what is valid and 401 to everything else, with the
// Verdict as JSON.
type Receiver struct {
	URL string
}

// Start starts the endpoint, which runs until the test ends. The first token is the app's, the
// others are the extra ones that the library is given as well. The test ends with a message if Node
// or npm is missing.
func Start(tb testing.TB, token Token, extra ...Token) *Receiver {
	tb.Helper()
	tokens, err := json.Marshal(append([]Token{token}, extra...))
	if err != nil {
		tb.Fatal(err)
	}
	return &Receiver{URL: nodeserver.Start(tb, files, "PUSHER_TOKENS="+string(tokens))}
}

// Verdicts returns what the library said of all deliveries so far, in the order of their arrival.
func (r *Receiver) Verdicts(tb testing.TB) []Verdict {
	tb.Helper()
	answer, err := http.Get(r.URL)
	if err != nil {
		tb.Fatal(err)
	}
	defer answer.Body.Close()
	var verdicts []Verdict
	if err := json.NewDecoder(answer.Body).Decode(&verdicts); err != nil {
		tb.Fatal(err)
	}
	return verdicts
}
