package webhook

// JoinTraces returns a Trace that calls the functions of all traces, in their order, such as a host's
// own Trace and that of a package of metrics. Nil traces are left out. A function that panics does not
// keep those behind it from being called.
func JoinTraces(traces ...*Trace) *Trace {
	var joined Trace
	for _, t := range traces {
		if t == nil {
			continue
		}
		joined = Trace{
			Emitted:        both(joined.Emitted, t.Emitted),
			Dropped:        both(joined.Dropped, t.Dropped),
			Enqueued:       both(joined.Enqueued, t.Enqueued),
			AttemptStarted: both(joined.AttemptStarted, t.AttemptStarted),
			Attempted:      both(joined.Attempted, t.Attempted),
			Split:          both(joined.Split, t.Split),
			DeadLettered:   both(joined.DeadLettered, t.DeadLettered),
			LaneChanged:    both(joined.LaneChanged, t.LaneChanged),
		}
	}
	return &joined
}

// both returns a function that calls two, each of which may be nil. It is nil if both are, because the
// emitter makes no Info for a function that is nil.
func both[T any](first, second func(T)) func(T) {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func(info T) {
		defer second(info) // deferred: also called if first panics
		first(info)
	}
}
