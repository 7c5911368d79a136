package webhook

import (
	"cmp"
	"log/slog"
	"time"
)

const (
	defaultBatchDuration  = 50 * time.Millisecond
	defaultBatchSize      = 100
	defaultBatchBytes     = 200 << 10
	defaultMaxElapsed     = 5 * time.Minute
	defaultInitialBackoff = time.Second
	defaultMaxBackoff     = time.Minute
	defaultRequestTimeout = 10 * time.Second
	defaultWorkers        = 20
	defaultPollers        = 1
	defaultOutboxBytes    = 24 << 20
)

// withDefaults returns o with every field that is zero set to its default, but for those whose
// default is made by New: Queue, HTTP and Trace.
func (o Options) withDefaults() Options {
	o.Batching = o.Batching.withDefaults()
	o.Retry = o.Retry.or(Retry{
		MaxElapsed:     defaultMaxElapsed,
		InitialBackoff: defaultInitialBackoff,
		MaxBackoff:     defaultMaxBackoff,
	})
	o.RequestTimeout = cmp.Or(o.RequestTimeout, defaultRequestTimeout)
	o.Workers = cmp.Or(o.Workers, defaultWorkers)
	o.Pollers = cmp.Or(o.Pollers, defaultPollers)
	o.EnqueueJobs = cmp.Or(o.EnqueueJobs, enqueueJobs)
	o.OutboxBytes = cmp.Or(o.OutboxBytes, defaultOutboxBytes)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

func (b Batching) withDefaults() Batching {
	b.Duration = cmp.Or(b.Duration, defaultBatchDuration)
	b.Size = cmp.Or(b.Size, defaultBatchSize)
	b.Bytes = cmp.Or(b.Bytes, defaultBatchBytes)
	return b
}

// or returns r with every field that is zero taken from d; MaxAge stays zero where neither sets it.
// A backoff that d brings gives way to one that r sets: without it, a short MaxBackoff would need
// an InitialBackoff too.
func (r Retry) or(d Retry) Retry {
	if r.MaxBackoff > 0 {
		d.InitialBackoff = min(d.InitialBackoff, r.MaxBackoff)
	}
	if r.InitialBackoff > 0 {
		d.MaxBackoff = max(d.MaxBackoff, r.InitialBackoff)
	}
	if r.unlessOne && d.MaxAttempts == 1 {
		d.MaxAttempts = -1
	}
	r.MaxAttempts, r.unlessOne = cmp.Or(r.MaxAttempts, d.MaxAttempts), false
	r.MaxElapsed = cmp.Or(r.MaxElapsed, d.MaxElapsed)
	r.MaxAge = cmp.Or(r.MaxAge, d.MaxAge)
	r.InitialBackoff = cmp.Or(r.InitialBackoff, d.InitialBackoff)
	r.MaxBackoff = cmp.Or(r.MaxBackoff, d.MaxBackoff)
	return r
}
