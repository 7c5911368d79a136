package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testredis"
)

// clockTicks is the unit of the times in /proc: a hundredth of a second on every Linux.
const clockTicks = 10 * time.Millisecond

// cpuTime is how long the process has been computing.
func (p *process) cpuTime() time.Duration {
	p.t.Helper()
	if runtime.GOOS != "linux" {
		p.t.Skip("only Linux tells a process's CPU time in /proc")
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	must(p.t, err)
	_, rest, _ := strings.Cut(string(stat), ") ") // past the name
	fields := strings.Fields(rest)
	var ticks time.Duration
	for _, field := range fields[11:13] { // in user mode, in the kernel
		n, err := strconv.Atoi(field)
		must(p.t, err)
		ticks += time.Duration(n)
	}
	return ticks * clockTicks
}

// feed writes events at a steady pace until stop is closed, and then says how many.
func (p *process) feed(stop <-chan struct{}) <-chan int {
	total := make(chan int, 1)
	go func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-tick.C:
			case <-stop:
				total <- i
				return
			}
			if _, err := io.WriteString(p.stdin, occupied(numbered(i))); err != nil {
				total <- i
				return
			}
		}
	}()
	return total
}

// downFor is how long Redis is away, and mayTake how long delivering may take to go on afterwards.
const (
	downFor = 4 * time.Second
	mayTake = 5 * time.Second
)

// A relay that emits and one that delivers lose their Redis in the middle of it, three times.
func TestFault27RedisRestartLosesNothing(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{AppendOnly: true})
	s := newSink(t)
	config := writeConfig(t, redisQueue(server), oneByOne, testApp(hookTo(s.URL)))
	producer, worker := spawn(t, nil, "-emit-only", "-config", config), spawn(t, nil, "-work", "-config", config)
	stop := make(chan struct{})
	total := producer.feed(stop)
	due := func(n int) func() bool { return func() bool { return s.different() >= n } }
	for range 3 {
		eventually(t, 20*time.Second, "it is under load", due(s.different()+200))
		server.Kill()
		before := producer.cpuTime() + worker.cpuTime()
		<-time.After(downFor)
		busy := producer.cpuTime() + worker.cpuTime() - before
		if busy > downFor/4 {
			t.Errorf("while Redis was away for %v, relay computed for %v", downFor, busy)
		}
		server.Start()
		up := time.Now()
		eventually(t, mayTake, "deliveries go on", due(s.different()+1))
		t.Logf("Redis was away for %v, in which 2 processes computed for %v; deliveries went on after %v",
			downFor, busy, time.Since(up).Round(time.Millisecond))
	}
	close(stop)
	n := <-total
	must(t, producer.stdin.Close())
	producer.wait().want(exitOK, totals{Emitted: int64(n), Matched: int64(n), Queued: int64(n)})
	eventually(t, defaultLease+20*time.Second, "everything arrives", due(n))
	got := worker.terminate()
	got.want(exitOK, totals{Matched: got.Delivered, Delivered: got.Delivered, Attempts: got.Attempts})
	s.wantNumbered(t, n)
	t.Logf("%d events, %d copies", n, s.copies)
	if s.copies > 0 {
		t.Errorf("%d events were delivered again, though no delivery failed", s.copies)
	}
}
