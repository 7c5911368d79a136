// Command bench measures the whole way from Emit to a receiver in another process, beside net/http
// and peers, in alternating rounds of the same run. README.md tells how, and how to read it.
//
//	go run .                      every case at full speed
//	go run . -steady              latencies and CPU at steady rates
//	go run . -idle                one event at a time
//	go run . -scale               producers, webhooks, workers, a million apps
//	go run . -short -all          all of these, in about five minutes
//	go run . -memory              bounds, live heap and peak of each queue
//	go run . -isolation 60        healthy webhooks beside failing ones, for so many seconds each
//	go run . -handover            the age of events when Redis takes them
//	go run . -dead 100000         a healthy webhook beside a dead one's backlog on Redis
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

// options are the command's flags.
type options struct {
	scale
	only    string
	part    string // parts of -scale
	write   string // folder of the documents to change; empty: none
	profile string
	quiet   bool

	all, steady, idle, atScale, memory, handover bool
	dead, isolation                              int
}

// progress tells what is going on, on standard error.
func (o *options) progress(format string, args ...any) {
	if !o.quiet {
		fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
	}
}

func main() {
	if playRole() {
		return
	}
	o := parseFlags()
	if err := o.run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parseFlags() *options {
	o := &options{scale: fullScale}
	short := flag.Bool("short", false, "a tenth of everything, and one round")
	flag.IntVar(&o.rounds, "rounds", 0, "`rounds`; 5, or 1 with -short")
	flag.IntVar(&o.events, "events", 0, "`events` a case at 100 a request; 6,000,000, or a tenth with -short")
	flag.IntVar(&o.slowEvents, "slow-events", 0, "the same for slow cases; 2,000,000, or a tenth with -short")
	flag.IntVar(&o.requests, "requests", 0, "`requests` a case at one event a request; 120,000, or a tenth with -short")
	flag.IntVar(&o.seconds, "seconds", 0, "`seconds` a case at a steady rate; 10, or 3 with -short")
	flag.StringVar(&o.only, "only", "", "`cases`, separated by commas, by the beginnings of their names; those that ratios are to always run")
	flag.StringVar(&o.part, "part", "", "`parts` of -scale, separated by commas: producers, webhooks, workers, registered")
	flag.StringVar(&o.write, "write", "", "write tables and chart to the documents in this `folder`")
	flag.StringVar(&o.profile, "cpuprofile", "", "write CPU profiles of the senders to `file`.CASE.SIZE.prof")
	flag.BoolVar(&o.quiet, "quiet", false, "tell nothing about what is going on")
	flag.BoolVar(&o.all, "all", false, "full speed, -steady, -idle and -scale")
	flag.BoolVar(&o.steady, "steady", false, "instead: latencies at steady rates")
	flag.BoolVar(&o.idle, "idle", false, "instead: one event at a time on an idle system")
	flag.BoolVar(&o.atScale, "scale", false, "instead: numbers of producers, webhooks, workers and apps")
	flag.BoolVar(&o.memory, "memory", false, "instead: what each queue takes in memory at full speed")
	flag.BoolVar(&o.handover, "handover", false, "instead: how old events are when Redis takes them, at 10,000 events/s without batching")
	flag.IntVar(&o.dead, "dead", 0, "instead: a healthy webhook's latency on Redis beside a dead one with so many `jobs`")
	flag.IntVar(&o.isolation, "isolation", 0, "instead: latencies of healthy webhooks beside failing ones, for so many `seconds` each")
	flag.Parse()
	o.fill(*short)
	return o
}

// fill sets what was not given.
func (o *options) fill(short bool) {
	defaults := fullScale
	if short {
		defaults = shortScale
	}
	for _, f := range []struct {
		value *int
		given int
	}{
		{&o.rounds, defaults.rounds},
		{&o.events, defaults.events},
		{&o.slowEvents, defaults.slowEvents},
		{&o.requests, defaults.requests},
		{&o.seconds, defaults.seconds},
	} {
		if *f.value == 0 {
			*f.value = f.given
		}
	}
	o.oneByOne = defaults.oneByOne
}

func (o *options) run() error {
	switch {
	case o.memory:
		return memory(o)
	case o.handover:
		return withRedis(func(addr string) error { return handOver(addr, o.rounds) })
	case o.dead > 0:
		return withRedis(func(addr string) error { return backlog(addr, o.dead, o.rounds) })
	case o.isolation > 0:
		return withRedis(func(addr string) error { return isolation(addr, o.isolation, o.only) })
	}
	for _, part := range []struct {
		chosen bool
		run    func(*options) error
	}{
		{o.all || !o.steady && !o.idle && !o.atScale, runThroughput},
		{o.all || o.steady, runSteady},
		{o.all || o.idle, runIdle},
		{o.all || o.atScale, runScale},
	} {
		if part.chosen {
			if err := part.run(o); err != nil {
				return err
			}
		}
	}
	return nil
}
