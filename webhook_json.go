package webhook

import (
	"cmp"

	"golang.org/x/net/http/httpguts"

	"github.com/pushhooks/webhook/internal/arn"
	"github.com/pushhooks/webhook/internal/strict"
)

// legacyRegion is where a function is that the older lambda_function names without a region, as in
// the reference.
const legacyRegion = "us-east-1"

// read decodes data with f. Every mistake is in the *ConfigError that it returns.
func read(data []byte, f strict.Field) error {
	found := strict.Read(data, f)
	if len(found) == 0 {
		return nil
	}
	problems := make([]Problem, len(found))
	for i, p := range found {
		problems[i] = Problem(p)
	}
	return &ConfigError{Problems: problems}
}

// UnmarshalJSON reads an app as the JSON file has it. Fields that it does not know are left to the
// server that the app belongs to, except one that looks like a known one misspelled. The error is a
// *ConfigError with every mistake.
func (a *App) UnmarshalJSON(data []byte) error {
	*a = App{}
	return read(data, a.decode)
}

func (a *App) decode(v strict.Value) {
	var inPolicy App
	policy := strict.Object{"webhooks": strict.Array(inPolicy.decodeWebhook)}
	strict.Object{
		"id":            strict.String(&a.ID),
		"key":           strict.String(&a.Key),
		"secret":        strict.Hidden(strict.String(&a.Secret)),
		"previous_keys": strict.Array(a.decodePreviousKey),
		"enabled":       strict.Not(&a.Disabled),
		// Soketi has them as text, too
		"webhooks": strict.Embedded(strict.Array(a.decodeWebhook)),
		// newer versions of the reference have an app's webhooks there
		"policy": policy.ReadOpen,
	}.ReadOpen(v)
	if len(a.Webhooks) > 0 && len(inPolicy.Webhooks) > 0 {
		v.FailAt("policy.webhooks", `the app has "webhooks" too; keep them in one place`)
	}
	a.Webhooks = append(a.Webhooks, inPolicy.Webhooks...)
}

func (a *App) decodeWebhook(v strict.Value) {
	a.Webhooks = append(a.Webhooks, Webhook{})
	a.Webhooks[len(a.Webhooks)-1].decode(v)
}

func (a *App) decodePreviousKey(v strict.Value) {
	a.PreviousKeys = append(a.PreviousKeys, Key{})
	a.PreviousKeys[len(a.PreviousKeys)-1].decode(v)
}

// UnmarshalJSON reads an object of "key" and "secret". The error is a *ConfigError with every
// mistake.
func (k *Key) UnmarshalJSON(data []byte) error {
	*k = Key{}
	return read(data, k.decode)
}

func (k *Key) decode(v strict.Value) {
	strict.Object{
		"key":    strict.String(&k.Key),
		"secret": strict.Hidden(strict.String(&k.Secret)),
	}.Read(v)
}

// UnmarshalJSON reads a webhook as the JSON file has it. An unknown field is a mistake. The error
// is a *ConfigError with every mistake.
func (w *Webhook) UnmarshalJSON(data []byte) error {
	*w = Webhook{}
	return read(data, w.decode)
}

func (w *Webhook) decode(v strict.Value) {
	var target lambdaTarget
	strict.Object{
		"id":                  strict.String(&w.ID),
		"url":                 strict.Hidden(strict.String(&w.URL)),
		"lambda":              target.decode,
		"lambda_function":     target.decodeFunction,
		"region":              strict.String(&target.legacyRegion),
		"event_types":         strict.List(&w.EventTypes),
		"filter":              w.Filter.decode,
		"headers":             w.decodeHeaders,
		"retry":               w.Retry.decode,
		"request_timeout_ms":  strict.Millis(&w.RequestTimeout),
		"user_info_as_string": strict.Bool(&w.UserInfoAsString),
		"ordered":             strict.Bool(&w.Ordered),
		"rate_limit":          w.RateLimit.decode,
	}.Read(v)
	w.Lambda = target.resolve(v)
}

func (w *Webhook) decodeHeaders(v strict.Value) {
	w.Headers = Headers{}
	strict.Entries(func(name string, v strict.Value) {
		var value string
		// any other is refused later, by its beginning alone
		if httpguts.ValidHeaderFieldName(name) {
			strict.Hidden(strict.String(&value))(v)
		}
		w.Headers[name] = value
	})(v)
}

// lambdaTarget gathers the forms in which a webhook names its function: the object "lambda"; the
// older "lambda_function", a name, with its region in "lambda" or beside it or nowhere; and
// "lambda_function" as an object.
type lambdaTarget struct {
	set          bool // any of the forms is there
	function     string
	region       string
	legacyName   string
	legacyRegion string

	invocationType string
	envelope       bool
}

func (t *lambdaTarget) decode(v strict.Value) {
	t.set = true
	strict.Object{
		"function_name":   strict.String(&t.function),
		"region":          strict.String(&t.region),
		"invocation_type": strict.String(&t.invocationType),
		"envelope":        strict.Bool(&t.envelope),
		"async":           t.decodeAsync, // Soketi's
		"client_options":  noClientOptions,
	}.Read(v)
}

// decodeAsync reads Soketi's form of invocation_type.
func (t *lambdaTarget) decodeAsync(v strict.Value) {
	async := false
	strict.Bool(&async)(v)
	if t.invocationType = "RequestResponse"; async {
		t.invocationType = "Event"
	}
}

// noClientOptions refuses what Soketi gives to the AWS SDK, unless it is empty.
func noClientOptions(v strict.Value) {
	empty := true
	strict.Entries(func(string, strict.Value) { empty = false })(v)
	if !empty {
		v.Fail("is not read; the AWS SDK's own variables and files say it, such as AWS_ACCESS_KEY_ID and AWS_PROFILE")
	}
}

func (t *lambdaTarget) decodeFunction(v strict.Value) {
	t.set = true
	if v.Raw()[0] == '{' {
		t.decode(v)
		return
	}
	strict.String(&t.legacyName)(v)
}

// resolve returns the function that the forms name together, nil if there is none.
func (t *lambdaTarget) resolve(v strict.Value) *Lambda {
	switch {
	case t.legacyRegion != "" && t.legacyName == "":
		v.FailAt("region", `belongs to "lambda", as in "lambda": {"function_name": …, "region": %q}`, quotable(t.legacyRegion))
	case t.function != "" && t.legacyName != "":
		v.FailAt("lambda_function", `is the older form of "lambda", which names a function too; leave one of them out`)
	case t.region != "" && t.legacyRegion != "" && t.region != t.legacyRegion:
		v.FailAt("region", "is %q, but lambda.region is %q; leave one of them out", quotable(t.legacyRegion), quotable(t.region))
	}
	if !t.set {
		return nil
	}
	l := &Lambda{FunctionName: t.function, Region: t.region, InvocationType: t.invocationType, Envelope: t.envelope}
	if t.legacyName == "" {
		return l
	}
	l.FunctionName, l.Region = t.legacyName, cmp.Or(t.region, t.legacyRegion)
	if l.Region == "" && !arn.Is(l.FunctionName) {
		l.Region = legacyRegion
	}
	return l
}

// UnmarshalJSON reads a filter as the JSON file has it, Soketi's names for prefix and suffix
// included. The error is a *ConfigError with every mistake.
func (f *Filter) UnmarshalJSON(data []byte) error {
	*f = Filter{}
	return read(data, f.decode)
}

func (f *Filter) decode(v strict.Value) {
	var startsWith, endsWith string
	strict.Object{
		"channel_prefix":           strict.String(&f.ChannelPrefix),
		"channel_suffix":           strict.String(&f.ChannelSuffix),
		"channel_pattern":          strict.String(&f.ChannelPattern),
		"channel_namespace":        strict.String(&f.ChannelNamespace),
		"channel_namespaces":       strict.List(&f.ChannelNamespaces),
		"channel_exclude_prefix":   strict.String(&f.ChannelExcludePrefix),
		"channel_name_starts_with": strict.String(&startsWith),
		"channel_name_ends_with":   strict.String(&endsWith),
	}.Read(v)
	alias(v, &f.ChannelPrefix, "channel_prefix", startsWith, "channel_name_starts_with")
	alias(v, &f.ChannelSuffix, "channel_suffix", endsWith, "channel_name_ends_with")
}

// alias lets other stand for dst.
func alias(v strict.Value, dst *string, name, other, otherName string) {
	switch {
	case other == "":
	case *dst == "" || *dst == other:
		*dst = other
	default:
		v.FailAt(otherName, "is another name of %s, which is %q here; leave one of them out", name, *dst)
	}
}

// UnmarshalJSON reads a retry policy as the JSON file has it. The error is a *ConfigError with
// every mistake.
func (r *Retry) UnmarshalJSON(data []byte) error {
	*r = Retry{}
	return read(data, r.decode)
}

func (r *Retry) decode(v strict.Value) {
	var on, off bool
	strict.Object{
		"enabled":             func(v strict.Value) { strict.Bool(&on)(v); off = !on },
		"max_attempts":        maxAttempts(&r.MaxAttempts),
		"max_elapsed_time_ms": strict.Millis(&r.MaxElapsed),
		"max_age_ms":          strict.Millis(&r.MaxAge),
		"initial_backoff_ms":  strict.Millis(&r.InitialBackoff),
		"max_backoff_ms":      strict.Millis(&r.MaxBackoff),
	}.Read(v)
	switch {
	case off:
		r.MaxAttempts = 1
	case on:
		r.unlessOne = r.MaxAttempts == 0
	}
}

// maxAttempts reads a number of attempts, or -1 for no limit.
func maxAttempts(dst *int) strict.Field {
	return func(v strict.Value) {
		if string(v.Raw()) == "-1" {
			*dst = -1
			return
		}
		strict.Int(dst, 1)(v)
	}
}

// UnmarshalJSON reads a rate limit as the JSON file has it. The error is a *ConfigError with every
// mistake.
func (l *RateLimit) UnmarshalJSON(data []byte) error {
	*l = RateLimit{}
	return read(data, l.decode)
}

func (l *RateLimit) decode(v strict.Value) {
	strict.Object{
		"per_second": strict.Number(&l.PerSecond),
		"burst":      strict.Int(&l.Burst, 1),
	}.Read(v)
}
