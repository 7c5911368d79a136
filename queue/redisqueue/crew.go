package redisqueue

import "sync"

// maxIdle is how many goroutines a crew keeps.
const maxIdle = 16

// crew runs calls of the client, each on a goroutine that its caller can leave behind. It keeps
// goroutines for the next calls, whose stacks have grown to what the client needs: to grow one by
// copying, as each new goroutine does, costs a tenth of the process's time at one job a call.
type crew struct {
	mu    sync.Mutex
	idle  []chan func() // the one that ran last goes next
	ended bool
}

// run calls f on a goroutine of its own.
func (c *crew) run(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.idle)
	if n == 0 {
		go c.serve(f)
		return
	}
	next := c.idle[n-1]
	c.idle = c.idle[:n-1]
	next <- f
}

// serve calls f and what it is given afterwards.
func (c *crew) serve(f func()) {
	next := make(chan func(), 1)
	for f != nil {
		f()
		if !c.rest(next) {
			return
		}
		f = <-next
	}
}

// rest notes that a goroutine waits for its next call, and reports whether it should.
func (c *crew) rest(next chan func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || len(c.idle) == maxIdle {
		return false
	}
	c.idle = append(c.idle, next)
	return true
}

// end ends the goroutines that wait, and the others when their calls end.
func (c *crew) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for _, next := range c.idle {
		close(next)
	}
	c.idle = nil
}
