package webhook

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pushhooks/webhook/internal/limits"
	"github.com/pushhooks/webhook/internal/strict"
	"github.com/pushhooks/webhook/internal/urltext"
	"github.com/pushhooks/webhook/queue"
)

// Bounds of what a configuration may ask for. They keep a slip of the unit (seconds for
// milliseconds) or of a digit from becoming an emitter that hardly works.
const (
	maxBatchDuration  = time.Minute
	maxBatchSize      = 10_000
	maxBatchBytes     = 256 << 10
	maxDebounce       = time.Minute
	maxWorkers        = 10_000
	maxPollers        = 1_000
	maxEnqueueJobs    = 100_000
	maxRequestTimeout = 15 * time.Minute // how long a Lambda function can run
	maxRetryTime      = 30 * 24 * time.Hour
	maxTries          = 1_000_000
	minRate           = 0.001
	maxRate           = 1_000_000

	// leaseMargin is what a lease must have left when an attempt times out, so that the outcome can
	// be settled.
	leaseMargin = 5 * time.Second

	// memoryLease is the lease of the memory queue that New makes when Options.Queue is nil.
	memoryLease = 30 * time.Second
)

// knownTypes are the event types of the library.
var knownTypes = []EventType{
	TypeChannelOccupied, TypeChannelVacated, TypeMemberAdded, TypeMemberRemoved, TypeMemberUpdated,
	TypeClientEvent, TypeCacheMiss, TypeSubscriptionCount,
	TypeAIRunStarted, TypeAIRunEnded, TypeAITurnStarted, TypeAITurnEnded, TypeAICancelRequested,
	TypeAIStreamCancelled, TypeAIStreamOrphaned, TypeMessageVersionCreated, TypeAnnotationCreated, TypeAnnotationDeleted,
}

// known reports whether the library knows the type.
func (t EventType) known() bool { return slices.Contains(knownTypes, t) }

// Validate reports every mistake in o, as New does, without starting anything. The error is a
// *ConfigError; paths of what the JSON file can hold are those of the file.
func (o Options) Validate() error {
	o = o.withDefaults()
	return configError(validateOptions(&o))
}

// configError returns problems as an error, nil if there are none.
func configError(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &ConfigError{Problems: problems}
}

// checker collects problems.
type checker struct {
	problems []Problem
}

func (c *checker) failf(path, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// duration checks that d is between 0 and most.
func (c *checker) duration(path string, d, most time.Duration) {
	if d < 0 || d > most {
		c.failf(path, "is %v; must be from 0 (the default) to %v", d, most)
	}
}

// count checks that n is between 1 and most.
func (c *checker) count(path string, n, most int) {
	if n < 1 || n > most {
		c.failf(path, "is %d; must be from 1 to %d", n, most)
	}
}

// validateOptions returns every mistake in o, whose defaults have been filled in.
func validateOptions(o *Options) []Problem {
	var c checker
	c.batching(&o.Batching)
	c.retry("webhooks.retry", o.Retry)
	c.requestTimeout("webhooks.request_timeout_ms", o.RequestTimeout, traitsOf(o.Queue))
	c.duration("webhooks.debounce_ms", o.Debounce, maxDebounce)
	c.duration("Options.CountInterval", o.CountInterval, maxDebounce)
	c.count("webhooks.concurrency", o.Workers, maxWorkers)
	if t := traitsOf(o.Queue); !t.Disabled && (t.Lease <= 0 || t.Lease > limits.Lease) {
		c.failf("Options.Queue", "its Traits().Lease is %v; must be more than 0, and at most %v", t.Lease, limits.Lease)
	}
	c.count("Options.Pollers", o.Pollers, maxPollers)
	c.count("Options.EnqueueJobs", o.EnqueueJobs, maxEnqueueJobs)
	if o.OutboxBytes < 0 || o.OutboxBytes > limits.Bytes {
		c.failf("Options.OutboxBytes", "is %d; must be from 0 (the default) to %d", o.OutboxBytes, int64(limits.Bytes))
	}
	for i, mw := range o.Middleware {
		if mw == nil {
			c.failf(index("Options.Middleware", i), "is nil")
		}
	}
	c.declaredTypes(o.EventTypes)
	c.apps(o)
	return c.problems
}

func (c *checker) batching(b *Batching) {
	c.duration("webhooks.batching.duration", b.Duration, maxBatchDuration)
	if b.Size > maxBatchSize {
		c.failf("webhooks.batching.size", "is %d; must be at most %d", b.Size, maxBatchSize)
	}
	c.count("Options.Batching.Bytes", b.Bytes, maxBatchBytes)
}

func (c *checker) apps(o *Options) {
	rules := rulesOf(o)
	first := make(map[string]int, len(o.Apps))
	for i := range o.Apps {
		path, id := index("apps", i), o.Apps[i].ID
		c.problems = append(c.problems, rules.app(path, &o.Apps[i], identities(o.Apps[i].Webhooks), make([]*hook, len(o.Apps[i].Webhooks)))...)
		if j, taken := first[id]; taken && id != "" {
			c.failf(path+".id", "is %q, as apps[%d].id is; each app has its own", id, j)
			continue
		}
		first[id] = i
	}
}

// declaredTypes checks the host's own event types. One that the library knows may be among them, so
// that a host need not change when the library learns it.
func (c *checker) declaredTypes(types []EventType) {
	for i, t := range types {
		path := index("Options.EventTypes", i)
		if slices.Contains(types[:i], t) {
			c.failf(path, "is %q, which is there already", quotable(string(t)))
		}
		if !validTypeName(string(t)) {
			c.failf(path, `is %q; a type is named by up to 100 letters, digits, "_", "-", "." and ":"`, quotable(string(t)))
		}
	}
}

func validTypeName(s string) bool {
	return s != "" && len(s) <= 100 && onlyNameBytes(s, "_-.:")
}

// onlyNameBytes reports whether s consists of ASCII letters, digits and the others.
func onlyNameBytes(s, others string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		alphanumeric := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !alphanumeric && !strings.ContainsRune(others, r)
	})
}

// traitsOf returns the traits of the queue that the emitter will have.
func traitsOf(q queue.Queue) queue.Traits {
	if q == nil {
		return queue.Traits{Lease: memoryLease, Ordered: true}
	}
	return q.Traits()
}

// requestTimeout checks that an attempt that times out leaves enough of its lease to settle it.
func (c *checker) requestTimeout(path string, d time.Duration, traits queue.Traits) {
	if d < 0 || d > maxRequestTimeout {
		c.failf(path, "is %v; must be from 0 (the default) to %v", d, maxRequestTimeout)
		return
	}
	if traits.Disabled || traits.Lease <= 0 || d+leaseMargin <= traits.Lease {
		return
	}
	if traits.Lease <= leaseMargin {
		c.failf(path, "is %v; the queue leases jobs for %v: its lease must be at least %v", d, traits.Lease, d+leaseMargin)
		return
	}
	c.failf(path, "is %v; the queue leases jobs for %v, so it must be at most %v, or the lease longer",
		d, traits.Lease, traits.Lease-leaseMargin)
}

// retry checks r. Backoffs of which only one is set agree with the other's default: see Retry.or.
func (c *checker) retry(path string, r Retry) {
	if r.MaxAttempts < -1 {
		c.failf(path+".max_attempts", "is %d; must be at least 1, -1 for no limit, or 0 for the default", r.MaxAttempts)
	}
	if r.MaxAttempts > maxTries {
		c.failf(path+".max_attempts", "is %d; must be at most %d", r.MaxAttempts, maxTries)
	}
	c.duration(path+".max_elapsed_time_ms", r.MaxElapsed, maxRetryTime)
	c.duration(path+".max_age_ms", r.MaxAge, 2*maxRetryTime)
	c.maxAge(path+".max_age_ms", r)
	c.duration(path+".initial_backoff_ms", r.InitialBackoff, maxRetryTime)
	c.duration(path+".max_backoff_ms", r.MaxBackoff, maxRetryTime)
	if r.MaxBackoff > 0 && r.InitialBackoff > r.MaxBackoff {
		c.failf(path+".initial_backoff_ms", "is %v, which is longer than max_backoff_ms, %v", r.InitialBackoff, r.MaxBackoff)
	}
}

// maxAge checks that a job lives as long as its budget.
func (c *checker) maxAge(path string, r Retry) {
	if r.MaxAge > 0 && r.MaxAge < r.MaxElapsed {
		c.failf(path, "is %v, which is shorter than max_elapsed_time_ms, %v", r.MaxAge, r.MaxElapsed)
	}
}

// suggest returns the end of a message about an event type that is not known.
func suggest(t EventType, known []EventType) string {
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = urltext.Quotable(string(k)) // a declared one may be anything
	}
	return strict.Suggest(string(t), names)
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
