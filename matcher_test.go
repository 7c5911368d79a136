package webhook

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAFiltersConditionsMustAllHold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		filter  Filter
		yes, no []string
	}{
		{Filter{}, []string{"a", "private-x", ":"}, nil},
		{Filter{ChannelPrefix: "presence-"}, []string{"presence-", "presence-chat"}, []string{"presence", "Presence-chat", "my-presence-"}},
		{Filter{ChannelSuffix: "-eu"}, []string{"-eu", "chat-eu"}, []string{"-eu-", "chat-EU"}},
		{Filter{ChannelPrefix: "ab", ChannelSuffix: "ba"}, []string{"aba", "abba", "abxba"}, []string{"ab", "ba"}},
		{Filter{ChannelPattern: "chat"}, []string{"chat", "private-chat-1"}, []string{"Chat", "cha"}},
		{Filter{ChannelPattern: `^room-[0-9]+$`}, []string{"room-1", "room-42"}, []string{"room-", "my-room-1", "room-1a"}},
		{Filter{ChannelPattern: `(?i)CHAT`}, []string{"chat"}, nil},
		{Filter{ChannelPrefix: "room-", ChannelSuffix: "-eu", ChannelPattern: "-[0-9]+-"}, []string{"room-1-eu"}, []string{"room-1", "1-eu", "room-x-eu"}},
		{Filter{ChannelNamespace: "news"}, []string{"news:1", "private-news:1", "presence-cache-news:a:b"}, []string{"news", "news-1", "anews:1", "x:news:1"}},
		{Filter{ChannelNamespaces: []string{"news", "chat"}}, []string{"news:1", "cache-chat:1"}, []string{"other:1", "news"}},
		{Filter{ChannelNamespace: "news", ChannelNamespaces: []string{"news", "chat"}}, []string{"news:1"}, []string{"chat:1"}},
		{Filter{ChannelExcludePrefix: "private-encrypted-"}, []string{"private-x", "encrypted-x", "private-encrypted", "x-private-encrypted-"}, []string{"private-encrypted-", "private-encrypted-x", "private-encrypted-cache-x"}},
		{Filter{ChannelPrefix: "private-", ChannelExcludePrefix: "private-encrypted-"}, []string{"private-x"}, []string{"x", "private-encrypted-x"}},
		{Filter{ChannelNamespace: "news", ChannelPrefix: "private-"}, []string{"private-news:1"}, []string{"news:1", "presence-news:1"}},
	} {
		m, err := tt.filter.compile()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range tt.yes {
			if !m.match(c) {
				t.Errorf("%+v does not match %q", tt.filter, c)
			}
		}
		for _, c := range tt.no {
			if m.match(c) {
				t.Errorf("%+v matches %q", tt.filter, c)
			}
		}
	}
}

func TestANamespaceFollowsTheTypePrefix(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{
		"", "private-encrypted-cache-", "private-cache-", "presence-cache-", "cache-", "private-encrypted-", "presence-", "private-",
	} {
		for channel, want := range map[string]string{"news:sport": "news", "news:sport:eu": "news", ":x": "", "chat-1:a": "chat-1"} {
			if ns, ok := namespace(prefix + channel); !ok || ns != want {
				t.Errorf("the namespace of %q is %q, %v, want %q", prefix+channel, ns, ok, want)
			}
		}
		if ns, ok := namespace(prefix + "news"); ok {
			t.Errorf("%q has the namespace %q", prefix+"news", ns)
		}
	}
	for channel, want := range map[string]string{"private-presence-a:b": "presence-a", "encrypted-a:b": "encrypted-a", "private-cache:b": "cache"} {
		if ns, _ := namespace(channel); ns != want {
			t.Errorf("the namespace of %q is %q, want %q", channel, ns, want)
		}
	}
}

func TestFault43PatternsTakeLinearTime(t *testing.T) { // not parallel: it measures time
	a := testApp()
	for i := range 10_000 {
		a.Webhooks = append(a.Webhooks, Webhook{
			ID: fmt.Sprint("w", i), URL: "http://receiver.test/", EventTypes: []EventType{TypeChannelOccupied},
			Filter: Filter{ChannelPattern: fmt.Sprintf(`^(room|chat)-%d-(a+)+$`, i)},
		})
	}
	to := &endpoint{}
	e := start(t, to, apps(a))
	began := time.Now()
	emit(t, e, ChannelOccupied("my-app", "room-9999-"+strings.Repeat("a", 100)))
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("an event took %v with 10,000 patterns", took)
	}
	drain(t, e)
	if got := to.got(); len(got) != 1 || got[0].WebhookID != "w9999" {
		t.Errorf("%d attempts", len(got))
	}

	bad, err := (&Filter{ChannelPattern: `^(a+)+$`}).compile()
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("a", 1<<20) + "!"
	began = time.Now()
	if bad.match(long) {
		t.Error("it matches")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("a channel of 1 MiB took %v", took)
	}
	began = time.Now()
	if err := e.Emit(ChannelOccupied("my-app", long)); !errors.Is(err, ErrInvalidEvent) || time.Since(began) > time.Second {
		t.Errorf("Emit of a channel of 1 MiB returned %.200v after %v", err, time.Since(began))
	}
	if e.Wants("my-app", TypeCacheMiss, long) {
		t.Error("Wants a type that nobody asked for")
	}
}

func TestPatternsOfTheLargestSizeAreTaken(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]bool{
		worstPattern: true, `[\p{L}\p{N}]{0,249}!`: false, strings.Repeat("[a]?", 200): true,
		strings.Repeat("a", maxPatternBytes): false, `\p{L}` + strings.Repeat("a", 400): true,
		strings.Repeat("()", 165): true, `^presence-[a-z0-9]{1,200}$`: true,
		`^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$`: true, "((((a{10}){10}){10}){10}": false,
	} {
		if problem := patternProblem(pattern); (problem == "") != want {
			t.Errorf("%.40q of %d bytes: got %q", pattern, len(pattern), problem)
		}
	}
}

// worstPattern is the one that took longest of those that are accepted: for every byte it looks at
// every instruction, and half of them search a table.
const worstPattern = `[\p{L}\p{N}]{0,248}!`

func TestFault43ABadPatternIsAConfigurationError(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"(", "a**", "[z-a]", `\p{Nope}`, "(?<=look)behind", strings.Repeat("(a{1000}){1000}", 3)} {
		a := testApp("http://receiver.test/")
		a.Webhooks[0].Filter.ChannelPattern = pattern
		_, err := New(Options{Apps: []App{a}})
		if lines := problemLines(t, err); !strings.HasPrefix(lines, "apps[0].webhooks[0].filter.channel_pattern: ") {
			t.Errorf("%q: %q", pattern, lines)
		}
	}
}
