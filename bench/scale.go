package main

import (
	"fmt"
	"time"
)

// point is a case at one size of something.
type point struct {
	name   string // of the case
	column string // what the size is of, and how large
	spec
	receiver receiverSpec
	expected float64 // events/s that cannot be exceeded; 0: unknown
}

// series are points that are printed in one table.
type series struct {
	name          string // what -part names
	title, column string
	points        []point
}

// runScale measures how cases change with the number of producers, of webhooks and of workers, and
// what a million registered apps take.
func runScale(o *options) error {
	s := &section{name: "scale"}
	s.show("%s\n", surroundings(o.rounds))
	for _, part := range []series{o.producers(), o.webhooks(), o.workers()} {
		if !wanted(o.part, part.name) {
			continue
		}
		text, err := part.run(o)
		if err != nil {
			return err
		}
		s.show("### %s\n\n%s\n", part.title, text)
	}
	if wanted(o.part, "registered") {
		text, err := registered(o)
		if err != nil {
			return err
		}
		s.show("### A million registered apps\n\n%s\n", text)
	}
	return s.write(o.write)
}

// producers are one to sixteen producers, at 100 events a request.
func (o *options) producers() series {
	list := series{name: "producers", title: "Producers, 100 events a request", column: "producers"}
	for _, name := range []string{"sketch", "memory", "redis"} {
		for _, n := range []int{1, 2, 4, 8, 16} {
			sp := full
			sp.Size, sp.Producers, sp.Events = batchSize, n, o.slowEvents
			list.points = append(list.points, point{name: name, column: fmt.Sprint(n), spec: sp})
		}
	}
	return list.chosen(o.only)
}

// webhooks are ten to 100,000 apps with a webhook each. The more of them share a stream of events,
// the fewer events are there for a request.
func (o *options) webhooks() series {
	list := series{name: "webhooks", title: "Webhooks, 20,000 events/s in batches of 50 ms", column: "webhooks"}
	for _, name := range []string{"sketch", "memory", "redis"} {
		for _, n := range []int{10, 1_000, 10_000, 100_000} {
			sp := full
			sp.Size, sp.Apps, sp.Rate, sp.Events = batchSize, n, batchedRate, batchedRate*o.seconds
			list.points = append(list.points, point{name: name, column: thousands(float64(n)), spec: sp, receiver: receiverSpec{Latency: true}})
		}
	}
	return list.chosen(o.only)
}

// workers are 20 to 3,000 workers and a slow receiver: no more than workers/delay events can be
// delivered in a second.
func (o *options) workers() series {
	list := series{name: "workers", title: "Workers and a slow receiver, one event a request", column: "workers, receiver's delay"}
	for _, size := range []struct {
		workers int
		delay   time.Duration
	}{{20, 50 * time.Millisecond}, {100, 50 * time.Millisecond}, {1_000, 50 * time.Millisecond}, {3_000, time.Second}} {
		sp := full
		limit := float64(size.workers) / size.delay.Seconds()
		sp.Size, sp.Workers, sp.Events = 1, size.workers, int(limit)*o.seconds
		list.points = append(list.points, point{
			name: "memory", column: fmt.Sprintf("%s, %v", thousands(float64(size.workers)), size.delay),
			spec: sp, receiver: receiverSpec{Delay: size.delay}, expected: limit,
		})
	}
	return list.chosen(o.only)
}

// chosen returns the points of the cases that are wanted.
func (s series) chosen(only string) series {
	list := s.points
	s.points = nil
	for _, p := range list {
		if wanted(only, p.name) {
			s.points = append(s.points, p)
		}
	}
	return s
}

// run measures every point once a round, and returns the table.
func (s series) run(o *options) (string, error) {
	all := make([]rounds, len(s.points))
	for range o.rounds {
		for i, p := range s.points {
			c, _ := caseNamed(allCases(), p.name)
			m, err := c.measure(p.spec, p.receiver)
			if err != nil {
				return "", fmt.Errorf("%s, %s: %w", p.name, p.column, err)
			}
			o.progress("%s, %s %s: %s events/s", p.name, s.column, p.column, thousands(m.Rate))
			all[i] = append(all[i], m)
		}
	}
	return s.table(all).String(), nil
}

func (s series) table(all []rounds) *table {
	t := &table{header: []string{"", s.column, "events/s", "of the limit once settled", "events/request", "p99 ms", "CPU µs/event", "store CPU µs/event", "peak MiB"}}
	for i, p := range s.points {
		f := all[i]
		c, _ := caseNamed(allCases(), p.name)
		limit := ""
		if p.expected > 0 {
			limit = fmt.Sprintf("%.2f", f.median(settled)/p.expected)
		}
		t.add(c.bold(), p.column, spreadOf(f.values(rate)).figure(), limit, figure(f.median(perRequestOf)), figure(f.median(p99)),
			figure(f.median(cpu)), figure(f.median(storeCPU)), figure(spreadOf(f.values(peak)).high))
	}
	return t
}
