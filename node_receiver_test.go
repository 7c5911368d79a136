package webhook

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/nodepusher"
)

// deliver posts body as JSON to the receiver and returns its status and verdict.
func deliver(t *testing.T, r *nodepusher.Receiver, body []byte, header http.Header) (int, nodepusher.Verdict) {
	t.Helper()
	header.Set("Content-Type", "application/json")
	return present(t, r, body, header)
}

// present posts body as it stands, with no header but the given one, to the receiver and returns
// its status and verdict.
func present(t *testing.T, r *nodepusher.Receiver, body []byte, header http.Header) (int, nodepusher.Verdict) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var v nodepusher.Verdict
	if err := json.NewDecoder(answer.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, v
}

// everyEventText is what everyEvent is for a receiver, written by hand.
const everyEventText = `[
	{"name":"channel_occupied","channel":"c"},
	{"name":"channel_vacated","channel":"c"},
	{"name":"member_added","channel":"presence-c","user_id":"u"},
	{"name":"member_removed","channel":"presence-c","user_id":"u"},
	{"name":"member_updated","channel":"presence-c","user_id":"u","user_info":{"n":1}},
	{"name":"client_event","channel":"presence-c","event":"client-e","data":"{\"x\":\"\u2028<&>\"}","socket_id":"1.2","user_id":"u"},
	{"name":"cache_miss","channel":"cache-c"},
	{"name":"subscription_count","channel":"c","subscription_count":0},
	{"name":"server_started","channel":"c","by":{"name":"\u00c4nn"},"on":null}]`

// parsed returns the events of a JSON array.
func parsed(t *testing.T, text string) []map[string]any {
	t.Helper()
	var events []map[string]any
	if err := json.Unmarshal([]byte(text), &events); err != nil {
		t.Fatal(err)
	}
	return events
}

func TestTheOfficialNodeLibraryTakesEveryEventType(t *testing.T) {
	t.Parallel()
	r := nodepusher.Start(t, nodepusher.Token{Key: "my-key", Secret: "my-secret"})
	odd := CustomEvent("", "own", "c\u2028\u2029<&>\"\\\x00\x7f\ufffe\uffff\U0001f600")
	odd.UserInfo = "{\"cut\": \"\\ud83d\", \"\u2028\": [1.50, null]}"
	for _, e := range append(everyEvent(), odd) {
		body := payloadOf(1707744000000, e)
		status, v := deliver(t, r, body, signedHeader(body, "my-key", "my-secret"))
		if status != http.StatusOK || !v.Valid || v.Key != "my-key" || v.TimeMS != 1707744000000 {
			t.Errorf("%s: got %d, %+v", body, status, v)
		}
		if want := parsed(t, "["+string(e.appendJSON(nil))+"]"); !reflect.DeepEqual(v.Events, want) {
			t.Errorf("%s: got %v", body, v.Events)
		}
	}
	if n := len(r.Verdicts(t)); n != len(everyEvent())+1 {
		t.Errorf("%d verdicts", n)
	}
}

func TestTheOfficialNodeLibraryRefusesAnyAlteration(t *testing.T) {
	t.Parallel()
	r := nodepusher.Start(t, nodepusher.Token{Key: "k", Secret: "s"})
	body := payloadOf(1, MemberAdded("", "presence-c", "u1"))
	header := signedHeader(body, "k", "s")
	altered := bytes.Replace(body, []byte(`"u1"`), []byte(`"u2"`), 1)
	if status, v := deliver(t, r, altered, header.Clone()); v.Valid || status != http.StatusUnauthorized {
		t.Errorf("altered body: got %d, %+v", status, v)
	}
	if status, v := deliver(t, r, body, signedHeader(body, "other", "s")); v.Valid || status != http.StatusUnauthorized {
		t.Errorf("another key: got %d, %+v", status, v)
	}
	if _, v := deliver(t, r, body, header); !v.Valid {
		t.Errorf("as it was signed: got %+v", v)
	}
}

func TestTheOfficialNodeLibraryTakesBothKeysOfARotation(t *testing.T) {
	t.Parallel()
	r := nodepusher.Start(t, nodepusher.Token{Key: "new", Secret: "s2"}, nodepusher.Token{Key: "old", Secret: "s1"})
	body := payloadOf(1, ChannelOccupied("", "c"))
	for key, secret := range map[string]string{"new": "s2", "old": "s1"} {
		if _, v := deliver(t, r, body, signedHeader(body, key, secret)); !v.Valid || v.Key != key {
			t.Errorf("%s: got %+v", key, v)
		}
	}
}

// everyEventOfApp is everyEvent for the app of the tests.
func everyEventOfApp() []Event {
	events := everyEvent()
	for i := range events {
		events[i].AppID = "my-app"
	}
	return events
}

// wantingAll returns the app with its webhooks wanting every type of everyEvent.
func wantingAll(a App) App {
	for i := range a.Webhooks {
		a.Webhooks[i].EventTypes = append(slices.Clone(knownTypes), "server_started")
		a.Webhooks[i].Retry.MaxElapsed = time.Hour
	}
	return a
}

// emitAll emits every event and has then happen, in virtual time, and returns the attempts.
func emitAll(t *testing.T, answer dispatch.Outcome, then func(t *testing.T, e *Emitter, to *endpoint)) []attempt {
	t.Helper()
	to := &endpoint{answer: answers(answer)}
	synctest.Test(t, func(t *testing.T) {
		e := start(t, to, apps(wantingAll(testApp("http://receiver.test/hook"))), func(o *Options) {
			o.EventTypes = []EventType{"server_started"}
		})
		emit(t, e, everyEventOfApp()...)
		then(t, e, to)
		drain(t, e)
	})
	return to.got()
}

func (e *endpoint) accept() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = nil
}

func TestTheOfficialNodeLibraryTakesWhatIsSentLate(t *testing.T) {
	t.Parallel()
	const mostAge = 5 * time.Minute // the most that any official library allows
	r := nodepusher.Start(t, nodepusher.Token{Key: "my-key", Secret: "my-secret"}, nodepusher.Token{Key: "new-key", Secret: "new-secret"})
	gone := dispatch.Outcome{Verdict: dispatch.Stop, Status: http.StatusGone, Reason: "gone"}
	for _, c := range []struct {
		name    string
		answer  dispatch.Outcome
		key     string // of the last attempt
		atLeast time.Duration
		then    func(t *testing.T, e *Emitter, to *endpoint)
	}{
		{"rotation", status(500), "new-key", time.Second, func(t *testing.T, e *Emitter, to *endpoint) {
			time.Sleep(500 * time.Millisecond)
			set(t, e, wantingAll(rotated(testKey)))
			to.accept()
		}},
		{"late retry", status(500), "my-key", mostAge, func(_ *testing.T, _ *Emitter, to *endpoint) {
			time.Sleep(30 * time.Minute)
			to.accept()
		}},
		{"replay", gone, "my-key", mostAge, func(t *testing.T, e *Emitter, to *endpoint) {
			time.Sleep(24 * time.Hour)
			to.accept()
			replayAll(t, e)
			time.Sleep(time.Second)
		}},
		{"replay after a rotation", gone, "new-key", mostAge, func(t *testing.T, e *Emitter, to *endpoint) {
			time.Sleep(24 * time.Hour)
			set(t, e, wantingAll(rotated(testKey)))
			to.accept()
			replayAll(t, e)
			time.Sleep(time.Second)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := emitAll(t, c.answer, c.then)
			for i, a := range got {
				status, v := present(t, r, a.Body, a.Header)
				want := "my-key"
				if i == len(got)-1 {
					want = c.key
				}
				if status != http.StatusOK || !v.Valid || v.Key != want || !reflect.DeepEqual(v.Events, parsed(t, everyEventText)) {
					t.Errorf("attempt %d: got %d, %+v", i+1, status, v)
				}
				if age := a.at.Sub(time.UnixMilli(v.TimeMS)); age.Abs() > mostAge {
					t.Errorf("attempt %d: time_ms is %v old", i+1, age)
				}
			}
			if n := len(got); n < 2 || got[n-1].at.Sub(got[0].at) < c.atLeast {
				t.Errorf("%d attempts, the last one early", n)
			}
		})
	}
}

func TestTheOfficialNodeLibraryTakesEveryEventTypeOfAnEmitter(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Options){"together": func(*Options) {}, "alone": unbatched} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := nodepusher.Start(t, nodepusher.Token{Key: "my-key", Secret: "my-secret"})
			e := start(t, nil, change, apps(wantingAll(testApp(r.URL))), func(o *Options) {
				o.HTTP, o.EventTypes, o.StandardWebhooks = nil, []EventType{"server_started"}, true
				o.Retry.MaxAttempts = 1
			})
			emit(t, e, everyEventOfApp()...)
			drain(t, e)
			var got []map[string]any
			for _, v := range r.Verdicts(t) {
				if !v.Valid || v.Key != "my-key" {
					t.Errorf("verdict: %+v", v)
				}
				got = append(got, v.Events...)
			}
			want := parsed(t, everyEventText)
			byName := func(a, b map[string]any) int { return cmp.Compare(a["name"].(string), b["name"].(string)) }
			slices.SortFunc(got, byName)
			slices.SortFunc(want, byName)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
		})
	}
}
