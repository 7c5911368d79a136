package main

import (
	"strings"
	"time"
)

// steadyCases are the cases at a steady rate of events, one a request.
var steadyCases = []string{"sketch", "channel", "memory", "streams", "redis", "redis-aof", "watermill", "asynq", "disk"}

// batchedCases are those at a higher steady rate, in batches.
var batchedCases = []string{"sketch", "memory", "redis", "disk"}

const (
	steadyRate  = 2_000
	batchedRate = 20_000
)

// runSteady measures how long events take from Emit to their receipt at steady rates.
func runSteady(o *options) error {
	s := &section{name: "steady"}
	s.show("%s\n", surroundings(o.rounds))
	for _, part := range []struct {
		cases      []string
		rate, size int
	}{{steadyCases, steadyRate, 1}, {batchedCases, batchedRate, batchSize}} {
		r, err := takeTurns(casesNamed(part.cases, o.only), o.rounds, func(c *benchCase) (measurement, error) {
			sp := full
			sp.Size, sp.Rate, sp.Events = part.size, part.rate, part.rate*o.seconds
			m, err := c.measure(sp, receiverSpec{Latency: true})
			o.progress("%s, %d events/s: p50 %.2f ms, p99 %.2f ms", c.name, part.rate, m.P50, m.P99)
			return m, err
		})
		if err != nil {
			return err
		}
		s.show("### %s events/s, %s\n\n%s\n", thousands(float64(part.rate)), strings.ToLower(perRequest(part.size)), r.steadyTable())
	}
	return s.write(o.write)
}

func (r *results) steadyTable() string {
	t := &table{header: []string{
		"", "p50 ms", "p99 ms", "Emit p50 µs", "CPU µs/event", "store CPU µs/event", "allocations/event", "commands/event", "scripts/event", "emitted late",
	}}
	for _, c := range r.cases {
		f := r.rounds[c.name]
		t.add(c.bold(), spreadOf(f.values(p50)).figure(), spreadOf(f.values(p99)).figure(), figure(f.median(emitP50)), figure(f.median(cpu)),
			figure(f.median(storeCPU)), figure(f.median(allocs)), figure(f.median(commands)), figure(f.median(scripts)), percent(f.median(late)))
	}
	return t.String()
}

// idleGap is how long the system is idle before each event.
const idleGap = 20 * time.Millisecond

// idleCases are the cases on an idle system: each event is a request, and nothing else happens.
var idleCases = []string{"direct", "direct-redis", "sketch", "memory", "redis", "redis-aof", "watermill", "disk"}

// runIdle measures how long one event takes on an idle system, beside a bare POST of the same
// event, and beside that after three round trips to Redis.
func runIdle(o *options) error {
	s := &section{name: "idle"}
	s.show("%s\n", surroundings(o.rounds))
	cases := chosen(idleBases(), o.only, func(c benchCase) bool { return c.name == "direct" || c.name == "direct-redis" }, func(benchCase) bool { return true })
	r, err := takeTurns(cases, o.rounds, func(c *benchCase) (measurement, error) {
		sp := full
		sp.Size, sp.Gap, sp.Events = 1, idleGap, o.oneByOne
		m, err := c.measure(sp, receiverSpec{Latency: true})
		o.progress("%s, idle: p50 %.3f ms", c.name, m.P50)
		return m, err
	})
	if err != nil {
		return err
	}
	t := &table{header: []string{"", "p50 ms", "p99 ms", "of a bare POST", "of a bare POST after 3 Redis round trips"}}
	for _, c := range r.cases {
		f := r.rounds[c.name]
		t.add(c.bold(), figure(f.median(p50)), figure(f.median(p99)), r.ratios(c.name, "direct", p50).ratio(), r.ratios(c.name, "direct-redis", p50).ratio())
	}
	s.show("%s\n", t)
	return s.write(o.write)
}

func idleBases() []benchCase { return casesNamed(idleCases, "") }
