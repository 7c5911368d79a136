package webhook

// Trace is a set of functions that watch.
type Trace struct{}
