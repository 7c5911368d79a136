package webhook

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// mistake is one way to get valid options wrong, and what is said about it.
type mistake struct {
	name   string
	change func(*Options)
	want   string
}

func checkMistakes(t *testing.T, tests []mistake) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := validOptions()
			tt.change(&o)
			if got := problemLines(t, o.Validate()); got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}

func app0(o *Options) *App              { return &o.Apps[0] }
func hook0(o *Options) *Webhook         { return &o.Apps[0].Webhooks[0] }
func lambdaHook(o *Options) *Webhook    { return &o.Apps[0].Webhooks[1] }
func long(n int) string                 { return strings.Repeat("x", n) }
func lease(d time.Duration) queue.Queue { return queueWith(queue.Traits{Lease: d, Ordered: true}) }

func TestValidOptionsHaveNoProblems(t *testing.T) {
	t.Parallel()
	if err := (Options{}).Validate(); err != nil {
		t.Error(err)
	}
	if err := validOptions().Validate(); err != nil {
		t.Error(err)
	}
	off := validOptions() // webhooks are off, so what the queue could do does not matter
	off.Queue = queue.None
	off.RequestTimeout = time.Minute
	if err := off.Validate(); err != nil {
		t.Error(err)
	}
}

func TestMistakesInOptionsAreNamed(t *testing.T) {
	t.Parallel()
	checkMistakes(t, []mistake{
		{
			"batching", func(o *Options) { o.Batching = Batching{Duration: time.Hour, Size: 20_000, Bytes: 1 << 20} },
			`webhooks.batching.duration: is 1h0m0s; must be from 0 (the default) to 1m0s
webhooks.batching.size: is 20000; must be at most 10000
Options.Batching.Bytes: is 1048576; must be from 1 to 262144`,
		},
		{"negative numbers", func(o *Options) {
			o.Batching.Duration, o.Pollers, o.OutboxBytes, o.RequestTimeout, o.Debounce, o.Workers = -1, -1, -1, -1, -1, -1
		}, `webhooks.batching.duration: is -1ns; must be from 0 (the default) to 1m0s
webhooks.request_timeout_ms: is -1ns; must be from 0 (the default) to 15m0s
webhooks.debounce_ms: is -1ns; must be from 0 (the default) to 1m0s
webhooks.concurrency: is -1; must be from 1 to 10000
Options.Pollers: is -1; must be from 1 to 1000
Options.OutboxBytes: is -1; must be from 0 (the default) to 1099511627776`},
		{"numbers near the largest", func(o *Options) {
			o.OutboxBytes, o.Workers, o.Pollers, o.EnqueueJobs = math.MaxInt64, math.MaxInt, math.MaxInt, math.MaxInt
			o.Debounce, o.CountInterval, o.RequestTimeout = math.MaxInt64, math.MaxInt64, math.MaxInt64
			o.Batching = Batching{Duration: math.MaxInt64, Size: math.MaxInt, Bytes: math.MaxInt}
			o.Retry = Retry{MaxAttempts: math.MaxInt, MaxElapsed: math.MaxInt64, MaxAge: math.MaxInt64, InitialBackoff: math.MaxInt64, MaxBackoff: math.MaxInt64}
			o.Apps[0].Webhooks[0].RateLimit = RateLimit{PerSecond: math.MaxFloat64, Burst: math.MaxInt}
		}, `webhooks.batching.duration: is 2562047h47m16.854775807s; must be from 0 (the default) to 1m0s
webhooks.batching.size: is 9223372036854775807; must be at most 10000
Options.Batching.Bytes: is 9223372036854775807; must be from 1 to 262144
webhooks.retry.max_attempts: is 9223372036854775807; must be at most 1000000
webhooks.retry.max_elapsed_time_ms: is 2562047h47m16.854775807s; must be from 0 (the default) to 720h0m0s
webhooks.retry.max_age_ms: is 2562047h47m16.854775807s; must be from 0 (the default) to 1440h0m0s
webhooks.retry.initial_backoff_ms: is 2562047h47m16.854775807s; must be from 0 (the default) to 720h0m0s
webhooks.retry.max_backoff_ms: is 2562047h47m16.854775807s; must be from 0 (the default) to 720h0m0s
webhooks.request_timeout_ms: is 2562047h47m16.854775807s; must be from 0 (the default) to 15m0s
webhooks.debounce_ms: is 2562047h47m16.854775807s; must be from 0 (the default) to 1m0s
Options.CountInterval: is 2562047h47m16.854775807s; must be from 0 (the default) to 1m0s
webhooks.concurrency: is 9223372036854775807; must be from 1 to 10000
Options.Pollers: is 9223372036854775807; must be from 1 to 1000
Options.EnqueueJobs: is 9223372036854775807; must be from 1 to 100000
Options.OutboxBytes: is 9223372036854775807; must be from 0 (the default) to 1099511627776
apps[0].webhooks[0].rate_limit.per_second: is 1.7976931348623157e+308; must be at most 1000000, or 0 for no limit
apps[0].webhooks[0].rate_limit.burst: is 9223372036854775807; must be at most 1000000`},
		{
			"a queue's lease", func(o *Options) { o.Queue = lease(math.MaxInt64) },
			`Options.Queue: its Traits().Lease is 2562047h47m16.854775807s; must be more than 0, and at most 8760h0m0s`,
		},
		{"workers", func(o *Options) { o.Workers = 20_000 }, `webhooks.concurrency: is 20000; must be from 1 to 10000`},
		{"middleware", func(o *Options) { o.Middleware = []dispatch.Middleware{nil} }, `Options.Middleware[0]: is nil`},
		{"retry", func(o *Options) {
			o.Retry = Retry{MaxAttempts: -2, MaxElapsed: -time.Second, MaxAge: -1, InitialBackoff: time.Hour, MaxBackoff: time.Minute}
		}, `webhooks.retry.max_attempts: is -2; must be at least 1, -1 for no limit, or 0 for the default
webhooks.retry.max_elapsed_time_ms: is -1s; must be from 0 (the default) to 720h0m0s
webhooks.retry.max_age_ms: is -1ns; must be from 0 (the default) to 1440h0m0s
webhooks.retry.initial_backoff_ms: is 1h0m0s, which is longer than max_backoff_ms, 1m0s`},
		{"an age below the budget", func(o *Options) {
			o.Retry.MaxAge = time.Minute
			o.Apps[0].Webhooks[0].Retry = Retry{MaxElapsed: 2 * time.Hour, MaxAge: time.Hour}
		}, `webhooks.retry.max_age_ms: is 1m0s, which is shorter than max_elapsed_time_ms, 5m0s
apps[0].webhooks[0].retry.max_age_ms: is 1h0m0s, which is shorter than max_elapsed_time_ms, 2h0m0s`},
		{"an age below a webhook's budget", func(o *Options) {
			o.Retry.MaxAge = time.Hour
			o.Apps[0].Webhooks[0].Retry = Retry{MaxElapsed: 2 * time.Hour}
			o.Apps[0].Webhooks[1].Retry = Retry{MaxAge: time.Minute}
		}, `apps[0].webhooks[0].retry.max_age_ms: is 1h0m0s, which is shorter than max_elapsed_time_ms, 2h0m0s
apps[0].webhooks[1].retry.max_age_ms: is 1m0s, which is shorter than max_elapsed_time_ms, 5m0s`},
		{
			"timeout against the memory queue's lease", func(o *Options) { o.RequestTimeout = 26 * time.Second },
			`webhooks.request_timeout_ms: is 26s; the queue leases jobs for 30s, so it must be at most 25s, or the lease longer`,
		},
		{
			"timeout against a queue's lease", func(o *Options) { o.Queue = lease(12 * time.Second) },
			`webhooks.request_timeout_ms: is 10s; the queue leases jobs for 12s, so it must be at most 7s, or the lease longer`,
		},
		{
			"timeout against a lease that is too short for any", func(o *Options) { o.Queue = lease(3 * time.Second) },
			`webhooks.request_timeout_ms: is 10s; the queue leases jobs for 3s: its lease must be at least 15s
apps[0].webhooks[0].request_timeout_ms: is 5s; the queue leases jobs for 3s: its lease must be at least 10s`,
		},
		{"declared types", func(o *Options) {
			o.EventTypes = []EventType{"document_saved", "", "two words", "document_saved", TypeCacheMiss}
		}, `Options.EventTypes[1]: is ""; a type is named by up to 100 letters, digits, "_", "-", "." and ":"
Options.EventTypes[2]: is "two words"; a type is named by up to 100 letters, digits, "_", "-", "." and ":"
Options.EventTypes[3]: is "document_saved", which is there already`},
		{
			"an app twice", func(o *Options) { o.Apps = append(o.Apps, o.Apps[0]) },
			`apps[1].id: is "my-app", as apps[0].id is; each app has its own`,
		},
	})
}

func TestMistakesInAppsAreNamed(t *testing.T) {
	t.Parallel()
	checkMistakes(t, []mistake{
		{
			"nothing set", func(o *Options) { o.Apps = []App{{}, {}} },
			`apps[0].id: is required: the name by which events find their app
apps[0].key: is required: receivers get it in X-Pusher-Key
apps[0].secret: is required: it signs what is sent
apps[1].id: is required: the name by which events find their app
apps[1].key: is required: receivers get it in X-Pusher-Key
apps[1].secret: is required: it signs what is sent`,
		},
		{
			"long names", func(o *Options) { app0(o).ID, app0(o).Key, hook0(o).ID = long(201), long(202), long(203) },
			`apps[0].id: is 201 bytes long; at most 200
apps[0].key: is 202 bytes long; at most 200
apps[0].webhooks[0].id: is 203 bytes long; at most 200`,
		},
		{
			"strange names", func(o *Options) { app0(o).ID, app0(o).Key, hook0(o).ID = "a\x00b", "k k", "\xff/" },
			`apps[0].id: is "a\x00b"; control characters and invalid UTF-8 are not allowed
apps[0].key: is "k k"; it travels in a header, so only printable ASCII without spaces is allowed
apps[0].webhooks[0].id: is "\xff/"; control characters and invalid UTF-8 are not allowed
apps[0].webhooks[0].id: is "\xff/"; "/" is not allowed`,
		},
		{
			"a secret that was printed", func(o *Options) { app0(o).Secret = "REDACTED" },
			`apps[0].secret: is the word REDACTED: the configuration was printed or marshaled, which hides secrets`,
		},
		{
			"a secret with a newline", func(o *Options) { app0(o).Secret = "topsecret\n" },
			`apps[0].secret: has a control character, such as a newline at its end`,
		},
		{"previous keys", func(o *Options) {
			a := app0(o)
			a.PreviousKeys = []Key{{a.Key, a.Secret}, {"b", ""}, {"b", "c"}, {"", "d"}, {"b", "c"}, {a.Key, "e"}}
		}, `apps[0].previous_keys[0].key: is "my-key", as apps[0].key is, and so is the secret; list each pair once
apps[0].previous_keys[1].secret: is required: it signs what is sent
apps[0].previous_keys[3].key: is required: receivers get it in X-Pusher-Key
apps[0].previous_keys[4].key: is "b", as apps[0].previous_keys[2].key is, and so is the secret; list each pair once`},
		{
			"one id for two webhooks", func(o *Options) { lambdaHook(o).ID = "main" },
			`apps[0].webhooks[1].id: is "main", as that of webhooks[0] is; each webhook of an app has its own`,
		},
		{
			"the id that is computed for a later webhook", func(o *Options) { hook0(o).ID = identities(app0(o).Webhooks)[1] },
			`apps[0].webhooks[0].id: is "` + identities(validOptions().Apps[0].Webhooks)[1] +
				`", as that of webhooks[1] is; each webhook of an app has its own`,
		},
	})
}

func TestMistakesInWebhooksAreNamed(t *testing.T) {
	t.Parallel()
	checkMistakes(t, []mistake{
		{
			"nothing set", func(o *Options) { *hook0(o) = Webhook{} },
			`apps[0].webhooks[0].url: is required: an http or https URL (or lambda, a function to invoke)
apps[0].webhooks[0].event_types: is required: what the webhook wants to know, such as ["channel_occupied", "channel_vacated"]`,
		},
		{
			"url and lambda", func(o *Options) { lambdaHook(o).URL = "https://example.com" },
			`apps[0].webhooks[1]: has both url and lambda; a webhook delivers to one of them`,
		},
		{
			"lambda without a sender", func(o *Options) { o.Lambda = nil },
			`apps[0].webhooks[1].lambda: needs Options.Lambda: import "github.com/pushhooks/webhook/dispatch/lambdadispatch" and set it to lambdadispatch.New(…)`,
		},
		{
			"empty lambda", func(o *Options) { lambdaHook(o).Lambda = &Lambda{} },
			`apps[0].webhooks[1].lambda.function_name: is required: the function's name or ARN
apps[0].webhooks[1].lambda.region: is required: where the function is, such as "us-east-1"`,
		},
		{
			"strange lambda", func(o *Options) { lambdaHook(o).Lambda = &Lambda{FunctionName: "my function", Region: "Frankfurt"} },
			`apps[0].webhooks[1].lambda.function_name: is "my function"; must be a function's name, ARN or partial ARN
apps[0].webhooks[1].lambda.region: is "Frankfurt"; must be a region such as "us-east-1"`,
		},
		{"event types", func(o *Options) {
			hook0(o).EventTypes = []EventType{"chanel_occupied", "document_save", "*", TypeCacheMiss, TypeCacheMiss}
		}, `apps[0].webhooks[0].event_types[0]: is "chanel_occupied", which is not an event type; did you mean "channel_occupied"?
apps[0].webhooks[0].event_types[1]: is "document_save", which is not an event type; did you mean "document_saved"?
apps[0].webhooks[0].event_types[2]: is "*", which is not an event type; known are channel_occupied, channel_vacated, member_added, member_removed, member_updated, client_event, cache_miss, subscription_count, ai_run_started, ai_run_ended, ai_turn_started, ai_turn_ended, ai_cancel_requested, ai_stream_cancelled, ai_stream_orphaned, message_version_created, annotation_created, annotation_deleted, document_saved
apps[0].webhooks[0].event_types[4]: is "cache_miss", which is there already`},
		{
			"pattern", func(o *Options) { hook0(o).Filter.ChannelPattern = "presence-(" },
			`apps[0].webhooks[0].filter.channel_pattern: is "presence-(", which is not a regular expression: missing closing ): ` + "`presence-(`",
		},
		{
			"pattern of another dialect", func(o *Options) { hook0(o).Filter.ChannelPattern = `^(?!private-)` },
			`apps[0].webhooks[0].filter.channel_pattern: is "^(?!private-)", which is not a regular expression: invalid or unsupported Perl syntax: ` + "`(?!`",
		},
		{
			"a pattern that is too long", func(o *Options) { hook0(o).Filter.ChannelPattern = strings.Repeat(".{0,1000}", 200) },
			`apps[0].webhooks[0].filter.channel_pattern: is "` + strings.Repeat(".{0,1000}", 9)[:80] +
				`…", which is 1800 bytes long; at most 1000 bytes, which compile to at most 500 instructions`,
		},
		{
			"a pattern that compiles to too much", func(o *Options) { hook0(o).Filter.ChannelPattern = "^x.{0,1000}" },
			`apps[0].webhooks[0].filter.channel_pattern: is "^x.{0,1000}", which is 11 bytes long and compiles to 2004 instructions; ` +
				`at most 1000 bytes and 500 instructions: repeat less, as in .* for .{0,1000}`,
		},
		{
			"a filter that excludes all that it takes", func(o *Options) {
				hook0(o).Filter = Filter{ChannelPrefix: "private-encrypted-x", ChannelExcludePrefix: "private-encrypted-"}
			},
			`apps[0].webhooks[0].filter.channel_exclude_prefix: is "private-encrypted-", with which channel_prefix begins too, so no channel would match`,
		},
		{"namespaces", func(o *Options) {
			hook0(o).Filter = Filter{ChannelNamespace: "chat:", ChannelNamespaces: []string{"", "a:b"}}
		}, `apps[0].webhooks[0].filter.channel_namespaces[0]: is empty; a namespace is what stands before the ":" in a channel's name
apps[0].webhooks[0].filter.channel_namespaces[1]: is "a:b"; a namespace ends before the first ":" of a channel's name and has none
apps[0].webhooks[0].filter.channel_namespace: is "chat:"; a namespace ends before the first ":" of a channel's name and has none
apps[0].webhooks[0].filter.channel_namespace: is "chat:", which is not among channel_namespaces, so no channel would match`},
		{
			"no namespaces", func(o *Options) { hook0(o).Filter = Filter{ChannelNamespaces: []string{}} },
			`apps[0].webhooks[0].filter.channel_namespaces: is empty, so no channel would match; name a namespace or leave it out`,
		},
		{"retry", func(o *Options) {
			hook0(o).Retry = Retry{InitialBackoff: 2 * time.Minute, MaxBackoff: time.Minute}
		}, `apps[0].webhooks[0].retry.initial_backoff_ms: is 2m0s, which is longer than max_backoff_ms, 1m0s`},
		{
			"timeout", func(o *Options) { hook0(o).RequestTimeout = 29 * time.Second },
			`apps[0].webhooks[0].request_timeout_ms: is 29s; the queue leases jobs for 30s, so it must be at most 25s, or the lease longer`,
		},
		{
			"ordered", func(o *Options) { o.Queue = queueWith(queue.Traits{Lease: time.Minute}) },
			`apps[0].webhooks[0].ordered: is true, but this queue cannot keep jobs in order; memory, disk, redis and SQS FIFO queues can`,
		},
		{
			"rate limit", func(o *Options) { hook0(o).RateLimit = RateLimit{PerSecond: math.Inf(1), Burst: -2} },
			`apps[0].webhooks[0].rate_limit.per_second: is +Inf; must be a number greater than 0, or 0 for no limit
apps[0].webhooks[0].rate_limit.burst: is -2; must be at least 1, or 0 for per_second rounded up`,
		},
		{
			"burst alone", func(o *Options) { hook0(o).RateLimit = RateLimit{Burst: 2} },
			`apps[0].webhooks[0].rate_limit.per_second: is required: burst alone limits nothing`,
		},
	})
}

func TestMistakesInURLsAreNamedAndNothingSecretIsShown(t *testing.T) {
	t.Parallel()
	const absolute = "must be an absolute URL such as https://example.com/webhooks"
	const encode = "; percent-encode it or leave it out"
	const odd = "has a user or a password with a control character or invalid UTF-8, which basic authentication cannot carry"
	const unlookable = `, which is not a name that can be looked up: at most 253 letters, digits, "-" and "_", with at most 63 between two dots`
	tests := []struct{ url, want string }{
		{"example.com/hooks/topsecret", "must begin with https:// or http://"},
		{"/hooks/topsecret", "must begin with https:// or http://"},
		{"topsecret", "must begin with https:// or http://"},
		{"user:topsecret", "must begin with https:// or http://"},
		{"https:topsecret", "must begin with https:// or http://"},
		{"https:/example.com/topsecret", "must begin with https:// or http://"},
		{"ftp://example.com/topsecret", `is "ftp://example.com/…"; must begin with https:// or http://`},
		{"wss://u:topsecret@example.com", `is "wss://…"; must begin with https:// or http://`},
		{"https:///topsecret", `is "https:///…", which has no host; ` + absolute},
		{"http://:8080/", `is "http://:8080/…", which has no host; ` + absolute},
		{"https:example.com", "must begin with https:// or http://"},
		{"https://example.com/a#topsecret", `is "https://example.com/…" with a fragment (#…), which is never sent; leave it out`},
		{"https://example.com:99999/", `is "https://example.com:99999/…"; a port is a number from 1 to 65535`},
		{"https://u:top#secret@example.com", "cannot be parsed; " + absolute + ", special characters percent-encoded"},
		{"https://exa mple.com/topsecret", "has U+0020 SPACE at position 12" + encode},
		{"https://example.com/\ntopsecret", "has U+000A LINE FEED at position 21" + encode},
		{"https://example.com/topsecret\u00a0", "has U+00A0 NO-BREAK SPACE at position 30" + encode},
		{"https://example.com/topsecret\u200b", "has U+200B ZERO WIDTH SPACE at position 30" + encode},
		{"\ufeffhttps://example.com/topsecret", "has U+FEFF ZERO WIDTH NO-BREAK SPACE at position 1" + encode},
		{`https://example.com/topsecret"`, "has U+0022 QUOTATION MARK at position 30" + encode},
		{"https://top\u00a0secret:x@example.com/", "has U+00A0 NO-BREAK SPACE at position 12" + encode},
		{"https://example.com/?topsecret=a b", "has U+0020 SPACE at position 33" + encode},
		{"https://example.com/?topsecret=\u00e4", "has U+00E4 \u00e4 at position 32" + encode},
		{"https://example.com/topsecret\xff", "has the byte 0xFF at position 30, which is not UTF-8" + encode},
		{"https://ex%E2%80%8Bample.com/topsecret", "has a host with a percent-encoded space, quotation mark or invisible character; must be a name or an address"},
		{"https://\u00e4_b.example/topsecret", `has the host "\u00e4_b.example", which is not a name that can be looked up`},
		{"https://1.2.3.4.5/topsecret", `has the host "1.2.3.4.5", which ends in a number and is not an IPv4 address`},
		{"https://256.256.256.256/", `has the host "256.256.256.256", which ends in a number and is not an IPv4 address`},
		{"https://a..b/topsecret", `has the host "a..b"` + unlookable},
		{"https://top..secret/@example.com", `has the host "…"` + unlookable},
		{"https://./topsecret", `has the host "."` + unlookable},
		{"https://*.example.com/", `has the host "*.example.com"` + unlookable},
		{"https://169.254.169.254%25/", `has the host "169.254.169.254%"` + unlookable},
		{"https://" + long(64) + ".com/", `has the host "` + long(64) + `.com"` + unlookable},
		{"https://" + long(63) + strings.Repeat("."+long(63), 3) + "/", `has the host "` + long(63) + "." + long(16) + `…"` + unlookable},
		{"https://top%3Asecret:x@example.com/", `has a user with a ":" (%3A), which basic authentication cannot carry`},
		{"https://u:top%0Asecret@example.com/", odd},
		{"https://u%00topsecret@example.com/", odd},
		{"https://u:topsecret%FF@example.com/", odd},
		{"https://example.com/" + long(2048), "is 2068 bytes long; at most 2048"},
		{"https://example.com/REDACTED", "holds the word REDACTED: the configuration was printed or marshaled, which hides more than scheme and host"},
		{"https://REDACTED@example.com/", "holds the word REDACTED: the configuration was printed or marshaled, which hides more than scheme and host"},
		{"https://u:REDACTED@example.com/", "has the password REDACTED: the configuration was marshaled, which hides passwords"},
	}
	for _, tt := range tests {
		t.Run(tt.url[:min(len(tt.url), 40)], func(t *testing.T) {
			t.Parallel()
			o := validOptions()
			hook0(&o).URL = tt.url
			got := problemLines(t, o.Validate())
			if want := "apps[0].webhooks[0].url: " + tt.want; got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if strings.Contains(got, "secret") {
				t.Error("a secret is shown")
			}
		})
	}
}

// FuzzURLProblem looks for a message that shows a password, a path or a query.
func FuzzURLProblem(f *testing.F) {
	f.Add(":", "@", "/", "?")
	f.Add("\u200b", "\xff", "#", "%zz")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		for _, raw := range []string{
			"https://user" + a + "hunter2" + b + "@host" + c, "ftp://host/" + a + "hunter2" + b + "?hunter2" + c,
			"https://host?" + a + "hunter2" + d, "https://u:hunter2@" + c + "/hunter2" + d + "hunter2", "//host/" + d + "hunter2",
		} {
			if got := urlProblem(raw); strings.Contains(got, "hunter2") {
				t.Fatalf("%q: %s", raw, got)
			}
		}
	})
}

func TestURLsThatAreRight(t *testing.T) {
	t.Parallel()
	for _, u := range []string{
		"http://127.0.0.1:8080", "https://[::1]:443/a?b=c", "https://user:p%23ss@example.com/", "HTTPS://EXAMPLE.com", "http://bücher.example/ä",
		"http://a_b.example.", "http://[fe80::1%25eth0]/", "http://2852039166/", "http://0xa9fea9fe", "http://127.1/", "http://xn--bcher-kva.example", "http://１２７.0.0.1",
	} {
		if got := urlProblem(u); got != "" {
			t.Errorf("%s %s", u, got)
		}
	}
}

func TestFault41HeadersThatBreakARequestAreRefused(t *testing.T) {
	t.Parallel()
	reserved := "is set by the library or the transport; use another name"
	control := "has a value with a control character, such as a newline"
	tests := []struct{ name, value, want string }{
		{"Host", "x", "Host: " + reserved},
		{"content-length", "3", "content-length: " + reserved},
		{"Content-Type", "text/plain", "Content-Type: " + reserved},
		{"Transfer-Encoding", "chunked", "Transfer-Encoding: " + reserved},
		{"Connection", "close", "Connection: " + reserved},
		{"TE", "trailers", "TE: " + reserved},
		{"X-Pusher-Key", "x", "X-Pusher-Key: " + reserved},
		{"x-pusher-anything", "x", "x-pusher-anything: " + reserved},
		{"WEBHOOK-ID", "x", "WEBHOOK-ID: " + reserved},
		{"X-A", "topsecret\r\nX-Pusher-Key: evil", "X-A: " + control},
		{"X-A", "topsecret\n", "X-A: " + control},
		{"X-A", "topsecret\x00", "X-A: " + control},
		{"X-A", "REDACTED", "X-A: has the value REDACTED: the configuration was printed or marshaled, which hides header values"},
		{"X A", "x", `"X ": is not a header name: letters, digits and "-" make one`},
		{"X-A\r\nHost", "x", `"X-A\r": is not a header name: letters, digits and "-" make one`},
		{":path", "x", `":": is not a header name: letters, digits and "-" make one`},
		{"Authorization: Bearer topsecret", "", `"Authorization:": is not a header name: letters, digits and "-" make one`},
		{"", "x", `"": is not a header name: letters, digits and "-" make one`},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			o := validOptions()
			hook0(&o).Headers = Headers{tt.name: tt.value}
			got := problemLines(t, o.Validate())
			if want := "apps[0].webhooks[0].headers." + tt.want; got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			if strings.Contains(got, "topsecret") {
				t.Error("a header value is shown")
			}
		})
	}
}

func TestHeadersTogetherAreBounded(t *testing.T) {
	t.Parallel()
	checkMistakes(t, []mistake{
		{
			"size", func(o *Options) { hook0(o).Headers = Headers{"X-A": long(16 << 10)} },
			`apps[0].webhooks[0].headers: are 16387 bytes together; at most 16384`,
		},
		{
			"case", func(o *Options) { hook0(o).Headers = Headers{"X-A": "1", "x-a": "2"} },
			`apps[0].webhooks[0].headers.x-a: is the same header as "X-A"`,
		},
	})
}

func TestALaneNameFitsEveryQueue(t *testing.T) {
	t.Parallel()
	longest := 2*maxIDBytes + len("/")
	if longest > 512 {
		t.Errorf("app and webhook id make a lane name of up to %d bytes", longest)
	}
}

func TestSeveralMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	o := validOptions()
	o.Workers, app0(&o).Key, hook0(&o).URL = 1<<20, "", "x"
	err := o.Validate()
	want := `webhook: the configuration has mistakes:
  webhooks.concurrency: is 1048576; must be from 1 to 10000
  apps[0].key: is required: receivers get it in X-Pusher-Key
  apps[0].webhooks[0].url: must begin with https:// or http://`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
