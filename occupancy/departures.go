package occupancy

import "sync/atomic"

// maxDepartures bounds the events that wait and tell of what is there no longer.
const maxDepartures = 100_000

// departures counts the departures that wait in all shards.
type departures struct {
	limit   int64
	waiting atomic.Int64
}

// update notes that n departures of a channel wait, and reports whether they may.
func (d *departures) update(c *channel, n int) bool {
	change := int64(n - c.waiting)
	if change == 0 {
		return true
	}
	c.waiting = n
	return d.waiting.Add(change) <= d.limit || change < 0
}
