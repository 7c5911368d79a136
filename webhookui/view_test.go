package webhookui

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestDurationsAndNumbers(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-1: "unknown", 0: "0 s", time.Microsecond: "less than 1 ms", 35 * time.Millisecond: "35 ms", 59 * time.Second: "59 s",
		time.Minute: "1 m", 250 * time.Second: "4 m 10 s", time.Hour: "1 h", 2*time.Hour + 5*time.Minute + 9*time.Second: "2 h 5 m",
		76 * time.Hour: "3 d 4 h", 24 * time.Hour: "1 d",
	} {
		if got := duration(d); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{-1: "unknown", 0: "0", 999: "999", 1000: "1\u202f000", 1234567: "1\u202f234\u202f567"} {
		if got := count(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 24 << 20: "24.0 MiB", 3 << 30: "3.0 GiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for t0, want := range map[time.Time]string{
		{}:                            "never",
		now.Add(time.Second):          `<time datetime="2026-03-04T05:06:08Z" title="2026-03-04 05:06:08 UTC">just now</time>`,
		now.Add(-250 * time.Second):   `<time datetime="2026-03-04T05:01:57Z" title="2026-03-04 05:01:57 UTC">4 m 10 s ago</time>`,
		now.Add(-time.Second).Local(): `<time datetime="2026-03-04T05:06:06Z" title="2026-03-04 05:06:06 UTC">1 s ago</time>`,
	} {
		if got := ago(t0, now); string(got) != want {
			t.Errorf("%v: %q", t0, got)
		}
	}
	if got := until(now.Add(90*time.Second), now); !strings.Contains(string(got), ">in 1 m 30 s<") {
		t.Error(got)
	}
	if got := until(now, now); !strings.Contains(string(got), ">due<") {
		t.Error(got)
	}
}

func TestPretty(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":1,"b":[true,null],"c":{},"d":[]}`: "{\n  \"a\": 1,\n  \"b\": [\n    true,\n    null\n  ],\n  \"c\": {},\n  \"d\": []\n}",
		`{"a":"{\"x\":[1,2]}, \\"}`:             "{\n  \"a\": \"{\\\"x\\\":[1,2]}, \\\\\"\n}",
		"":                                      "",
		"no JSON":                               "noJSON",
		"\"a\u202eb\u200bc\x00d\xff\"":          `"a\u202eb\u200bc\u0000d\xff"`,
		"\"a\u3164b\ufe0fc\U000e0101\"":         `"a\u3164b\ufe0fc\U000e0101"`,
		"\"\U000e0041 \U0001F600\"":             `"\U000e0041 😀"`,
		"]]}":                                   "]\n]\n}",
	} {
		if got, whole := pretty([]byte(in), 1<<10); got != want || !whole {
			t.Errorf("%q is shown as %q (whole: %v)", in, got, whole)
		}
	}
}

// Deep nesting costs no more than the bound, and what is cut is cut between characters.
func TestPrettyIsBounded(t *testing.T) {
	t.Parallel()
	for _, in := range []string{strings.Repeat("[", 1<<20), `"` + strings.Repeat("日", 1<<20), strings.Repeat("{\"a\":", 1<<18), strings.Repeat("]", 1<<20)} {
		for limit := 990; limit < 1000; limit++ {
			got, whole := pretty([]byte(in), limit)
			if len(got) > limit || whole || !utf8.ValidString(got) {
				t.Errorf("%d bytes of %.10q, whole: %v", len(got), in, whole)
			}
		}
	}
}

func FuzzPretty(f *testing.F) {
	f.Add([]byte(`{"time_ms":1,"events":[{"name":"x","data":"{\"a\":\"\\u00e4\"}"}]}`), uint16(200))
	f.Add([]byte("[[{}],[1,[]],\"\xff\u202e\"]"), uint16(3))
	f.Fuzz(func(t *testing.T, in []byte, limit uint16) {
		n := int(limit) + utf8.UTFMax
		got, whole := pretty(in, n)
		if len(got) > n || !utf8.ValidString(got) {
			t.Fatalf("%d bytes of %d: %q", len(got), n, got)
		}
		var a, b any
		if whole && utf8.Valid(in) && json.Unmarshal(in, &a) == nil {
			if strings.Contains(got, `\U`) { // which is for people
				return
			}
			if err := json.Unmarshal([]byte(got), &b); err != nil {
				t.Fatalf("%q is shown as %q: %v", in, got, err)
			}
			x, _ := json.Marshal(a)
			y, _ := json.Marshal(b)
			if string(x) != string(y) {
				t.Fatalf("%q is shown as %q", in, got)
			}
		}
	})
}
