package interop

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"testing"

	"github.com/pusher/pusher-http-go/v5"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/nodepusher"
)

// verdict is what a library says of a delivery. Error is what it threw, if it did.
type verdict struct {
	nodepusher.Verdict
	Error string `json:"error"`
}

// library is an official Pusher library that knows both keys.
type library struct {
	name  string
	judge func(t *testing.T, a attempt) verdict
	keeps func(event map[string]any) map[string]any // what it hands on of an event
}

// eachLibrary runs the test with each of the official libraries that can be run here.
func eachLibrary(t *testing.T, f func(t *testing.T, by library)) {
	t.Helper()
	for name, start := range map[string]func(t *testing.T) library{
		"go": goLibrary, "node": nodeLibrary, "php": phpLibrary, "python": pythonLibrary, "ruby": rubyLibrary,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			by := start(t)
			by.name = name
			f(t, by)
		})
	}
}

func goLibrary(*testing.T) library { return library{judge: goVerdict, keeps: goKeeps} }

// goVerdict gives the attempt to the library once with each key.
func goVerdict(t *testing.T, a attempt) verdict {
	t.Helper()
	header := http.Header{}
	for name, values := range a.header { // as net/http's server has them
		header[http.CanonicalHeaderKey(name)] = values
	}
	v := verdict{Verdict: nodepusher.Verdict{Key: header.Get("X-Pusher-Key")}}
	for _, k := range []webhook.Key{oldKey, newKey} {
		client := pusher.Client{Key: k.Key, Secret: string(k.Secret)}
		got, err := client.Webhook(header, a.body)
		if err != nil {
			if k.Key == v.Key {
				v.Error = err.Error()
			}
			continue
		}
		text, err := json.Marshal(got.Events)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &v.Events); err != nil {
			t.Fatal(err)
		}
		v.Valid, v.TimeMS = true, int64(got.TimeMs)
	}
	return v
}

// goKeeps leaves out what the library's type has no field for.
func goKeeps(event map[string]any) map[string]any {
	delete(event, "user_info")
	delete(event, "subscription_count")
	if event["data"] == "" {
		delete(event, "data")
	}
	return event
}

func all(event map[string]any) map[string]any { return event }

func nodeLibrary(t *testing.T) library {
	t.Helper()
	r := nodepusher.Start(t, nodepusher.Token(plain(oldKey)), nodepusher.Token(plain(newKey)))
	return library{judge: over(r.URL), keeps: all}
}

// over has the receiver at the URL judge.
func over(url string) func(t *testing.T, a attempt) verdict {
	return func(t *testing.T, a attempt) verdict {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(a.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header = a.header.Clone()
		request.Header.Set("Test-Now", strconv.FormatInt(a.at.UnixMilli(), 10))
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		var read struct {
			verdict
			Events json.RawMessage `json:"events"`
		}
		if err := json.NewDecoder(answer.Body).Decode(&read); err != nil {
			t.Fatalf("%s: %v", answer.Status, err)
		}
		// some languages have numbers that Go has not
		_ = json.Unmarshal(read.Events, &read.verdict.Events)
		return read.verdict
	}
}

// client leaves no connection behind.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
