package webhook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"testing"

	"github.com/pushhooks/webhook/internal/nodepusher"
)

// deliver posts body as it stands to the receiver and returns its status and verdict.
func deliver(t *testing.T, r *nodepusher.Receiver, body []byte, header http.Header) (int, nodepusher.Verdict) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	request.Header.Set("Content-Type", "application/json")
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
		var want map[string]any
		if err := json.Unmarshal(e.appendJSON(nil), &want); err != nil {
			t.Fatal(err)
		}
		if len(v.Events) != 1 || !reflect.DeepEqual(v.Events[0], want) {
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
