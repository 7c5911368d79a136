package webhook

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pushhooks/webhook/internal/arn"
	"github.com/pushhooks/webhook/internal/urltext"
	"github.com/pushhooks/webhook/queue"
)

const (
	// maxIDBytes bounds app ids, webhook ids and keys. An app's and a webhook's id make a lane's
	// name, which a queue bounds at 512 bytes.
	maxIDBytes = 200

	lambdaImport = "github.com/pushhooks/webhook/dispatch/lambdadispatch"
)

// rules are what an app is checked against. They stay the same while an emitter runs.
type rules struct {
	types        []EventType // known and declared
	lambda       bool        // there is a sender for Lambda functions
	standard     bool        // Options.StandardWebhooks
	traits       queue.Traits
	timeout      time.Duration
	defaultRetry Retry
}

// rulesOf returns the rules that o makes; its defaults have been filled in.
func rulesOf(o *Options) *rules {
	return &rules{
		types:        slices.Concat(knownTypes, o.EventTypes),
		lambda:       o.Lambda != nil,
		standard:     o.StandardWebhooks,
		traits:       traitsOf(o.Queue),
		timeout:      o.RequestTimeout,
		defaultRetry: o.Retry,
	}
}

// appChecker collects the problems of one app.
type appChecker struct {
	checker
	*rules
}

// app returns every mistake in a, which stands at path and whose webhooks have these identities.
// Those that are known have been checked before.
func (r *rules) app(path string, a *App, ids []string, known []*hook) []Problem {
	c := appChecker{rules: r}
	c.id(path+".id", a.ID)
	if a.ID == "" {
		c.required(path+".id", "the name by which events find their app")
	}
	c.keys(path, a)
	c.identities(path, a.Webhooks, ids)
	for i := range a.Webhooks {
		if known[i] != nil {
			continue
		}
		good := len(c.problems)
		// a path costs more than all checks
		if c.webhook("", &a.Webhooks[i]); len(c.problems) > good {
			c.problems = c.problems[:good]
			c.webhook(index(path+".webhooks", i), &a.Webhooks[i])
		}
	}
	return c.problems
}

// required notes that a field is missing. Package config relies on how the message begins.
func (c *checker) required(path, what string) {
	c.failf(path, "is required: %s", what)
}

// id checks an identifier that is not required.
func (c *checker) id(path, id string) {
	switch {
	case len(id) > maxIDBytes:
		c.failf(path, "is %d bytes long; at most %d", len(id), maxIDBytes)
	case !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl):
		c.failf(path, "is %+q; control characters and invalid UTF-8 are not allowed", quotable(id))
	}
}

// keys checks the app's key and previous keys. A key may be there again with a secret that it had
// before.
func (c *appChecker) keys(path string, a *App) {
	c.key(path, a.Key, a.Secret)
	seen := map[Key]string{{a.Key, a.Secret}: path + ".key"}
	for i, k := range a.PreviousKeys {
		at := index(path+".previous_keys", i)
		c.key(at, k.Key, k.Secret)
		if other, taken := seen[k]; taken && k.Key != "" {
			c.failf(at+".key", "is %q, as %s is, and so is the secret; list each pair once", k.Key, other)
			continue
		}
		seen[k] = at + ".key"
	}
}

func (c *appChecker) key(path, key string, secret Secret) {
	switch {
	case key == "":
		c.required(path+".key", "receivers get it in X-Pusher-Key")
	case len(key) > maxIDBytes:
		c.failf(path+".key", "is %d bytes long; at most %d", len(key), maxIDBytes)
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		c.failf(path+".key", "is %+q; it travels in a header, so only printable ASCII without spaces is allowed", key)
	}
	switch {
	case secret == "":
		c.required(path+".secret", "it signs what is sent")
	case secret == redacted:
		c.failf(path+".secret", "is the word %s: the configuration was printed or marshaled, which hides secrets", redacted)
	case strings.ContainsFunc(string(secret), unicode.IsControl):
		c.failf(path+".secret", "has a control character, such as a newline at its end")
	case c.standard && strings.HasPrefix(string(secret), standardPrefix):
		if _, err := standardSecret(secret); err != nil {
			c.failf(path+".secret", `begins with %q, but what follows is %v; Standard Webhooks need the standard alphabet with padding`, standardPrefix, err)
		}
	}
}

// identities checks that every webhook has an identity of its own.
func (c *checker) identities(path string, webhooks []Webhook, ids []string) {
	first := make(map[string]int, len(webhooks))
	for i, id := range ids {
		j, taken := first[id]
		if !taken {
			first[id] = i
			continue
		}
		if webhooks[i].ID == "" { // then the other one was given what is computed for this one
			i, j = j, i
		}
		c.failf(index(path+".webhooks", i)+".id", "is %q, as that of webhooks[%d] is; each webhook of an app has its own", id, j)
	}
}

func (c *appChecker) webhook(path string, w *Webhook) {
	c.id(path+".id", w.ID)
	if strings.Contains(w.ID, "/") {
		c.failf(path+".id", `is %q; "/" is not allowed`, quotable(w.ID))
	}
	c.target(path, w)
	c.eventTypes(path+".event_types", w.EventTypes)
	c.filter(path+".filter", &w.Filter)
	c.headers(path+".headers", w.Headers)
	if w.Retry != (Retry{}) {
		c.retry(path+".retry", w.Retry)
	}
	if r := w.Retry.or(c.defaultRetry); w.Retry.MaxAge == 0 && w.Retry.MaxElapsed > 0 || w.Retry.MaxElapsed == 0 && w.Retry.MaxAge > 0 {
		c.maxAge(path+".retry.max_age_ms", r)
	}
	// the default's own mistakes are told once
	if w.RequestTimeout != 0 && w.RequestTimeout != c.timeout {
		c.requestTimeout(path+".request_timeout_ms", w.RequestTimeout, c.traits)
	}
	if w.Ordered && !c.traits.Ordered && !c.traits.Disabled {
		c.failf(path+".ordered", "is true, but this queue cannot keep jobs in order; memory, disk, redis and SQS FIFO queues can")
	}
	c.rateLimit(path+".rate_limit", w.RateLimit)
}

// target checks where the webhook delivers.
func (c *appChecker) target(path string, w *Webhook) {
	switch {
	case w.URL != "" && w.Lambda != nil:
		c.failf(path, "has both url and lambda; a webhook delivers to one of them")
	case w.Lambda != nil:
		c.lambdaFunction(path+".lambda", w.Lambda)
	case w.URL == "":
		c.required(path+".url", "an http or https URL (or lambda, a function to invoke)")
	default:
		if problem := urlProblem(w.URL); problem != "" {
			c.failf(path+".url", "%s", problem)
		}
	}
}

var regionPattern = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]+)+-[0-9]{1,2}$`)

func (c *appChecker) functionName(path, name string) {
	switch {
	case name == "":
		c.required(path, "the function's name or ARN")
	case arn.Is(name) && arn.Region(name) == "":
		c.failf(path, "is %q, which is no function's ARN; must be like %q",
			quotable(name), "arn:aws:lambda:us-east-1:123456789012:function:my-function")
	case len(name) > 256 || arn.Region(name) == "" && !arn.IsName(name):
		c.failf(path, "is %q; must be a function's name, ARN or partial ARN", quotable(name))
	}
}

func (c *appChecker) lambdaFunction(path string, l *Lambda) {
	c.functionName(path+".function_name", l.FunctionName)
	region := arn.Region(l.FunctionName)
	switch {
	case l.Region == "" && region != "":
	case l.Region == "":
		c.required(path+".region", `where the function is, such as "us-east-1"`)
	case !regionPattern.MatchString(l.Region):
		c.failf(path+".region", `is %q; must be a region such as "us-east-1"`, quotable(l.Region))
	case region != "" && region != l.Region:
		c.failf(path+".region", "is %q, but the function's ARN is of %q; leave the region out", l.Region, region)
	}
	if t := l.InvocationType; t != "" && t != "Event" && t != "RequestResponse" {
		c.failf(path+".invocation_type", `is %q; must be "Event" or "RequestResponse"`, quotable(t))
	}
	if !c.lambda {
		c.failf(path, "needs Options.Lambda: import %q and set it to lambdadispatch.New(…)", lambdaImport)
	}
}

func (c *appChecker) eventTypes(path string, types []EventType) {
	if len(types) == 0 {
		c.required(path, "what the webhook wants to know, such as [\"channel_occupied\", \"channel_vacated\"]")
	}
	for i, t := range types {
		switch {
		case slices.Contains(types[:i], t):
			c.failf(index(path, i), "is %q, which is there already", quotable(string(t)))
		case !slices.Contains(c.types, t):
			c.failf(index(path, i), "is %q, which is not an event type%s", quotable(string(t)), suggest(t, c.types))
		}
	}
}

func (c *checker) rateLimit(path string, l RateLimit) {
	if math.IsNaN(l.PerSecond) || math.IsInf(l.PerSecond, 0) || l.PerSecond < 0 {
		c.failf(path+".per_second", "is %v; must be a number greater than 0, or 0 for no limit", l.PerSecond)
	}
	if l.PerSecond > 0 && l.PerSecond < minRate {
		c.failf(path+".per_second", "is %v; must be at least %v, one attempt in a thousand seconds", l.PerSecond, minRate)
	}
	if l.PerSecond > maxRate && !math.IsInf(l.PerSecond, 0) {
		c.failf(path+".per_second", "is %v; must be at most %d, or 0 for no limit", l.PerSecond, maxRate)
	}
	switch {
	case l.Burst < 0:
		c.failf(path+".burst", "is %d; must be at least 1, or 0 for per_second rounded up", l.Burst)
	case l.Burst > maxRate:
		c.failf(path+".burst", "is %d; must be at most %d", l.Burst, maxRate)
	case l.Burst > 0 && l.PerSecond == 0:
		c.required(path+".per_second", "burst alone limits nothing")
	}
}

// quotable is shorten for a value of the configuration: a URL that was put into the wrong field may
// hold a password.
func quotable(s string) string { return shorten(urltext.Quotable(s)) }

// shorten cuts a value that is quoted in a message.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
