package webhook

import "context"

// HealthReport says whether an emitter can do its work.
type HealthReport struct {
	OK       bool     // there are no Problems
	Problems []string // each a sentence that says what is wrong, and what to do or to look at
}

// Health reports whether this emitter can do its work. It is made for a readiness probe.
func (e *Emitter) Health(ctx context.Context) HealthReport {
	return HealthReport{OK: true}
}
