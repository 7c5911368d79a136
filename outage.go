package webhook

import (
	"sync"
	"time"
)

// outage is when the queue's operations fail: from the first failure until every operation that has
// failed works again.
type outage struct {
	mu       sync.Mutex
	since    time.Time
	failures int
	told     bool                 // whether a line was written about a failure
	failing  map[string]time.Time // operations, and when each failed last
}

// outageForgets is for how long an operation has to fail no more to count as working. Some are
// called so rarely that they cannot be waited for.
const outageForgets = time.Minute

// failed notes that an operation has failed, and whether a line is written about it.
func (o *outage) failed(operation string, now time.Time, told bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.failing) == 0 {
		o.since, o.failures, o.told, o.failing = now, 0, false, map[string]time.Time{}
	}
	o.told = o.told || told
	o.failures++
	o.failing[operation] = now
}

// ongoing returns since when operations fail, and false if none has lately.
func (o *outage) ongoing(now time.Time) (since time.Time, failing bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, last := range o.failing {
		failing = failing || now.Sub(last) < outageForgets
	}
	return o.since, failing
}

// worked notes that an operation has worked after it had failed. When that ends an outage that the
// log has told of, it returns how long it lasted and how many calls have failed.
func (o *outage) worked(operation string, now time.Time) (after time.Duration, failures int, over bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.failing) == 0 {
		return 0, 0, false
	}
	delete(o.failing, operation)
	for other, last := range o.failing {
		if now.Sub(last) >= outageForgets {
			delete(o.failing, other)
		}
	}
	return now.Sub(o.since), o.failures, len(o.failing) == 0 && o.told
}
