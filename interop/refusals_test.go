package interop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// handmade returns a delivery of the events, which are JSON, as the Pusher protocol has it.
func handmade(events string) attempt {
	at := time.UnixMilli(1707744000000)
	body := fmt.Sprintf(`{"time_ms":%d,"events":[%s]}`, at.UnixMilli(), events)
	mac := hmac.New(sha256.New, []byte(oldKey.Secret))
	mac.Write([]byte(body))
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("X-Pusher-Key", oldKey.Key)
	h.Set("X-Pusher-Signature", hex.EncodeToString(mac.Sum(nil)))
	return attempt{header: h, body: []byte(body), at: at}
}

// withInfo returns a delivery of one event with the user_info.
func withInfo(userInfo string) attempt {
	return handmade(`{"name":"member_updated","channel":"presence-c","user_id":"u","user_info":` + userInfo + `}`)
}

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

// later returns a plain delivery that the receiver gets d after its time_ms.
func later(d time.Duration) attempt {
	a := handmade(`{"name":"channel_occupied","channel":"c"}`)
	a.at = a.at.Add(d)
	return a
}

// with returns a plain delivery with another value of the header.
func with(name string, value func(string) string) attempt {
	a := later(0)
	a.header.Set(name, value(a.header.Get(name)))
	return a
}

// inLowerCase returns a plain delivery whose header names are in lower case, as some proxies and
// servers hand them on.
func inLowerCase() attempt {
	a := later(0)
	header := http.Header{}
	for name, values := range a.header {
		header[strings.ToLower(name)] = values
	}
	a.header = header
	return a
}

// The rows are the facts that docs/receivers.md states of the libraries that run here.
func TestOfficialLibrariesRefuse(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name      string
		delivery  attempt
		refusedBy []string
	}{
		{"plain", later(0), nil},
		{"encrypted channel", handmade(`{"name":"channel_occupied","channel":"private-encrypted-c"}`), []string{"go", "php"}},
		{"encrypted cache channel", handmade(`{"name":"cache_miss","channel":"private-encrypted-cache-c"}`), []string{"go", "php"}},
		{"encrypted channel beside another", handmade(`{"name":"channel_occupied","channel":"private-encrypted-c"},{"name":"channel_occupied","channel":"c"}`), []string{"go", "php"}},
		{"unknown event", handmade(`{"name":"server_started","channel":"c"}`), nil},
		{"no channel", handmade(`{"name":"server_started"}`), []string{"php"}},
		{"empty channel", handmade(`{"name":"server_started","channel":""}`), nil},
		{"user_id that is a number", handmade(`{"name":"member_added","channel":"presence-c","user_id":1}`), []string{"go"}},
		{"data that is an object", handmade(`{"name":"client_event","channel":"private-c","event":"client-e","data":{}}`), []string{"go"}},
		{"user_info that is an object", withInfo(`{"a":[1,"b",null]}`), nil},
		{"user_info, 97 deep", withInfo(nested(97)), nil},
		{"user_info, 98 deep", withInfo(nested(98)), []string{"ruby"}},
		{"user_info, 508 deep", withInfo(nested(508)), []string{"ruby"}},
		{"user_info, 509 deep", withInfo(nested(509)), []string{"php", "ruby"}},
		{"user_info, 20,000 deep", withInfo(nested(20_000)), []string{"go", "php", "python", "ruby"}},
		{"user_info with half of a pair", withInfo(`"\ud83d"`), []string{"php", "ruby"}},
		{"user_info with a key that begins with NUL", withInfo(`{"\u0000a":1}`), []string{"php"}},
		{"user_info with a large integer", withInfo(`123456789012345678901234567890`), nil},
		{"user_info with an integer of 5,000 digits", withInfo(strings.Repeat("9", 5000)), []string{"python"}},
		{"user_info beyond a float", withInfo(`1e400`), nil},
		{"5 minutes old", later(299 * time.Second), nil},
		{"over 5 minutes old", later(301 * time.Second), []string{"python"}},
		{"over 5 minutes early", later(-301 * time.Second), []string{"python"}},
		{"charset", with("Content-Type", func(v string) string { return v + "; charset=utf-8" }), []string{"node", "ruby"}},
		{"signature in upper case", with("X-Pusher-Signature", strings.ToUpper), []string{"node", "php", "python", "ruby"}},
		{"header names in lower case", inLowerCase(), []string{"php"}},
	}
	eachLibrary(t, func(t *testing.T, by library) {
		for _, c := range cases {
			v := by.judge(t, c.delivery)
			if refused := slices.Contains(c.refusedBy, by.name); v.Valid == refused {
				t.Errorf("%s: valid %t, %s", c.name, v.Valid, v.Error)
			}
		}
	})
}
