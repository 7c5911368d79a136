// Command bench measures the whole way from Emit to a receiver, beside a ceiling and peers, all in the same run.
//
//	go run . [-rounds 5] [-only memory,redis]
//	go run . -dead 100000
//	go run . -steady
//	go run . -handover
//	go run . -memory [-events 1000000] [-only disk]
//	go run . -isolation 60 [-only "1000 hanging"]
//
// A receiver in a process of its own reads every body and counts events. Every case sends the same 140-byte events of 10 apps,
// first 100 in a request, then one, over 20 connections. The cases take turns, round by round, so that a
// noisy machine troubles all of them alike; printed are medians, the spread of the ratios, and the sender's CPU time an event.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/pushhooks/webhook/internal/cputime"
)

// sender sends n events, size in a request, and returns when the receiver has taken all of them.
type sender struct {
	name string
	send func(ctx context.Context, url string, n, size int) error
}

func main() {
	if os.Getenv("BENCH_RECEIVER") != "" {
		serve()
		return
	}
	if args := os.Getenv("BENCH_MEMORY"); args != "" {
		if err := memoryChild(args); err != nil {
			log.Fatal(err)
		}
		return
	}
	rounds := flag.Int("rounds", 5, "rounds")
	only := flag.String("only", "", "cases, separated by commas; the ceiling always runs")
	events := flag.Int("events", 1_000_000, "events a case at 100 a request")
	requests := flag.Int("requests", 50_000, "requests a case at one event a request")
	dead := flag.Int("dead", 0, "instead: a healthy webhook's latency on Redis beside a dead one with so many jobs")
	atRate := flag.Bool("steady", false, "instead: latencies at a steady rate")
	beside := flag.Int("isolation", 0, "instead: latencies of healthy webhooks beside failing ones, for so many seconds each")
	hand := flag.Bool("handover", false, "instead: how old events are when Redis takes them, at 10,000 events/s without batching")
	inMemory := flag.Bool("memory", false, "instead: what each queue takes in memory at full speed")
	profile := flag.String("cpuprofile", "", "write a CPU profile of this process to a `file`")
	flag.Parse()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			log.Fatal(err)
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			log.Fatal(err)
		}
		defer pprof.StopCPUProfile()
	}
	if *inMemory {
		if err := memory(*events, *only); err != nil {
			log.Fatal(err)
		}
		return
	}
	if *hand {
		if err := withRedis(func(addr string) error { return handOver(addr, *rounds) }); err != nil {
			log.Fatal(err)
		}
		return
	}
	if *dead > 0 || *atRate || *beside > 0 {
		if err := runLatency(*dead, *rounds, *beside, *only); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := run(*rounds, *only, map[int]int{100: *events, 1: *requests}); err != nil {
		log.Fatal(err)
	}
}

func run(rounds int, only string, counts map[int]int) error {
	r, err := startReceiver()
	if err != nil {
		return err
	}
	defer r.stop()
	list, stop, err := senders(only)
	if err != nil {
		return err
	}
	defer stop()
	for _, size := range []int{100, 1} {
		if err := compare(r, list, rounds, counts[size], size); err != nil {
			return err
		}
	}
	return nil
}

// figures are one case's, a value for each round.
type figures struct{ rate, ratio, cpu []float64 }

func compare(r *receiver, list []sender, rounds, n, size int) error {
	results := make([]figures, len(list))
	for round := range rounds + 1 { // the first one warms up
		ceiling := 0.0
		for i, s := range list {
			rate, cpu, err := measure(r, s, n, size)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if i == 0 {
				ceiling = rate
			}
			if round > 0 {
				f := &results[i]
				f.rate, f.ratio, f.cpu = append(f.rate, rate), append(f.ratio, rate/ceiling), append(f.cpu, cpu)
			}
		}
	}
	fmt.Printf("\n%d events a request, %d rounds of %d events\n", size, rounds, n)
	fmt.Printf("%-34s %12s %18s %14s\n", "", "events/s", "of the ceiling", "CPU µs/event")
	for i, s := range list {
		f := results[i]
		fmt.Printf("%-34s %12.0f %8.2f (%.2f–%.2f) %12.2f\n", s.name, median(f.rate), median(f.ratio), slices.Min(f.ratio), slices.Max(f.ratio), median(f.cpu))
	}
	return nil
}

// measure returns a case's events a second and the CPU time that this process spent on one, in microseconds.
func measure(r *receiver, s sender, n, size int) (rate, cpu float64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	before, err := r.count()
	if err != nil {
		return 0, 0, err
	}
	began, used := time.Now(), cpuTime()
	if err := s.send(ctx, r.url, n, size); err != nil {
		return 0, 0, err
	}
	took, spent := time.Since(began), cpuTime()-used
	after, err := r.count()
	if err != nil {
		return 0, 0, err
	}
	if after-before < int64(n) {
		return 0, 0, fmt.Errorf("%d of %d events arrived", after-before, n)
	}
	return float64(n) / took.Seconds(), float64(spent.Nanoseconds()) / 1e3 / float64(n), nil
}

func cpuTime() time.Duration {
	used, _ := cputime.Used()
	return used
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func wanted(only, name string) bool {
	return only == "" || slices.ContainsFunc(strings.Split(only, ","), func(s string) bool { return strings.HasPrefix(name, s) })
}

// withRedis calls f with the address of a Redis server.
func withRedis(f func(addr string) error) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	addr, stop, err := startRedis(dir, "no")
	if err != nil {
		return err
	}
	defer stop()
	return f(addr)
}

// runLatency measures latencies: beside failing webhooks for some seconds, beside a dead webhook's jobs,
// or else at steady rates.
func runLatency(dead, rounds, beside int, only string) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	addr, stop, err := startRedis(dir, "no")
	if err != nil {
		return err
	}
	defer stop()
	if beside > 0 {
		return isolation(addr, beside, only)
	}
	if dead > 0 {
		return backlog(addr, dead, rounds)
	}
	durable, stopDurable, err := startRedis(dir, "yes")
	if err != nil {
		return err
	}
	defer stopDurable()
	return steady(dir, addr, durable, rounds)
}
