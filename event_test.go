package webhook

import (
	"encoding/json"
	"testing"
)

func TestClientDataIsTheTextThatPusherSends(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		``:                      "",
		`"hello"`:               "hello",
		` "a\n\u00e9\"{}" `:     "a\n\u00e9\"{}",
		`""`:                    "",
		`{"a": 1}`:              `{"a": 1}`,
		" [1,\"2\"]\n":          `[1,"2"]`,
		`7`:                     "7",
		`true`:                  "true",
		`null`:                  "null",
		`"not closed`:           `"not closed`,
		`"{\"already\":\"\"}"`:  `{"already":""}`,
		"\"\xff is no rune\"":   "\uFFFD is no rune",
		`"\ud800 is no letter"`: "\uFFFD is no letter",
	} {
		if got := ClientData(json.RawMessage(raw)); got != want {
			t.Errorf("%s became %q, want %q", raw, got, want)
		}
	}
}

func TestClientEventHasTheMessagesFields(t *testing.T) {
	t.Parallel()
	got := ClientEvent("a", "presence-c", ClientMessage{Name: "client-x", Data: "d", SocketID: "1.2", UserID: "u"})
	want := Event{
		AppID: "a", Type: TypeClientEvent, Channel: "presence-c", Event: "client-x", Data: "d", SocketID: "1.2", UserID: "u",
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
