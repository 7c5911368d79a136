package main

import (
	"fmt"
	"strings"
)

// scale says how much is measured.
type scale struct {
	rounds     int
	events     int // at 100 a request
	slowEvents int // the same, for slow cases
	requests   int // at one event a request
	seconds    int // at a steady rate
	oneByOne   int // events on an idle system
}

var (
	fullScale  = scale{rounds: 5, events: 6_000_000, slowEvents: 2_000_000, requests: 120_000, seconds: 10, oneByOne: 300}
	shortScale = scale{rounds: 1, events: 600_000, slowEvents: 200_000, requests: 12_000, seconds: 3, oneByOne: 50}
)

// full is the specification that all measurements begin with.
var full = spec{Apps: 10, Producers: 8, Workers: 20}

// results are the cases that were measured, in order, and their rounds.
type results struct {
	cases  []benchCase
	rounds map[string]rounds
}

// takeTurns measures every case once a round, so that a noisy machine troubles all of them alike.
func takeTurns(cases []benchCase, n int, measure func(*benchCase) (measurement, error)) (*results, error) {
	r := &results{cases: cases, rounds: make(map[string]rounds)}
	for range n {
		for _, c := range cases {
			m, err := measure(&c)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			r.rounds[c.name] = append(r.rounds[c.name], m)
		}
	}
	return r, nil
}

// ratios returns the spread of a case's ratios to another one's figure in the same round.
func (r *results) ratios(name, other string, of func(measurement) float64) spread {
	return spreadOf(r.rounds[name].ratios(r.rounds[other], of))
}

// Figures of a measurement.
func rate(m measurement) float64     { return m.Rate }
func cpu(m measurement) float64      { return m.CPU }
func storeCPU(m measurement) float64 { return m.StoreCPU }
func allocs(m measurement) float64   { return m.Allocs }
func commands(m measurement) float64 { return m.Commands }
func scripts(m measurement) float64  { return m.Scripts }
func peak(m measurement) float64     { return m.Peak }
func p50(m measurement) float64      { return m.P50 }
func p99(m measurement) float64      { return m.P99 }
func emitP50(m measurement) float64  { return m.EmitP50 }
func late(m measurement) float64     { return m.Late }

func settled(m measurement) float64      { return m.Settled }
func perRequestOf(m measurement) float64 { return m.PerRequest }

// fullSpeed measures the cases at full speed at a number of events a request.
func fullSpeed(o *options, size int) (*results, error) {
	cases := chosen(throughputCases, o.only, func(c benchCase) bool { return c.name == ceiling }, func(c benchCase) bool {
		return size == 1 || c.sizes == anySize
	})
	return takeTurns(cases, o.rounds, func(c *benchCase) (measurement, error) {
		sp := full
		sp.Size, sp.Events = size, o.requests
		switch {
		case size > 1 && c.slow:
			sp.Events = o.slowEvents
		case size > 1:
			sp.Events = o.events
		}
		sp.Profile = o.profileOf(c.name, size)
		m, err := c.measure(sp, receiverSpec{})
		o.progress("%s, %d a request: %s events/s", c.name, size, thousands(m.Rate))
		return m, err
	})
}

// chosen returns the cases that fit and are wanted, or needed by the others.
func chosen(list []benchCase, only string, needed, fits func(benchCase) bool) (cases []benchCase) {
	for _, c := range list {
		if fits(c) && (needed(c) || wanted(only, c.name)) {
			cases = append(cases, c)
		}
	}
	return cases
}

// runThroughput prints the tables at full speed and draws the chart.
func runThroughput(o *options) error {
	s := &section{name: "throughput"}
	s.show("%s\n", surroundings(o.rounds))
	var panels []panel
	for _, size := range []int{batchSize, 1} {
		r, err := fullSpeed(o, size)
		if err != nil {
			return err
		}
		s.show("### %s\n\n%s\n", perRequest(size), r.fullSpeedTable())
		panels = append(panels, r.panel(perRequest(size)))
	}
	if err := s.write(o.write); err != nil {
		return err
	}
	return writeChart(o.write, panels)
}

func perRequest(size int) string {
	if size == 1 {
		return "One event a request"
	}
	return fmt.Sprint(size, " events a request")
}

func (r *results) fullSpeedTable() string {
	t := &table{header: []string{
		"", "events/s", "of net/http", "CPU µs/event", "store CPU µs/event", "allocations/event", "peak MiB", "commands/event", "scripts/event",
	}}
	for _, c := range r.cases {
		f := r.rounds[c.name]
		t.add(c.bold(), thousands(f.median(rate)), r.ratios(c.name, ceiling, rate).ratio(), figure(f.median(cpu)), figure(f.median(storeCPU)),
			figure(f.median(allocs)), figure(spreadOf(f.values(peak)).high), figure(f.median(commands)), figure(f.median(scripts)))
	}
	return t.String()
}

// bold returns a case's label, bold if it is this library.
func (c *benchCase) bold() string {
	if c.own {
		return "**" + c.label + "**"
	}
	return c.label
}

// profileOf returns the file for a case's profile, or none.
func (o *options) profileOf(name string, size int) string {
	if o.profile == "" {
		return ""
	}
	return fmt.Sprintf("%s.%s.%d.prof", strings.TrimSuffix(o.profile, ".prof"), name, size)
}
