package main

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pushhooks/webhook/internal/testredis"
)

// TestMain runs a copy of the test binary in its role, if it has one.
func TestMain(m *testing.M) {
	if playRole() {
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// Every case delivers all events, in processes of its own, at both sizes, and measures what it
// says.
func TestCasesDeliverAllEvents(t *testing.T) {
	t.Parallel()
	testredis.Available(t)
	for _, c := range throughputCases {
		for _, size := range []int{1, batchSize} {
			if size > 1 && c.sizes == onlyOne {
				continue
			}
			t.Run(c.name+" "+perRequest(size), func(t *testing.T) {
				t.Parallel()
				sp := full
				sp.Size, sp.Events = size, 20*size*sp.Apps
				m, err := c.measure(sp, receiverSpec{}) // fails if an event is missing
				if err != nil {
					t.Fatal(err)
				}
				if batched := size > 1; (m.PerRequest > 1) != batched || m.PerRequest > float64(size) {
					t.Errorf("%v events a request, want %d, or fewer where a batch was closed by its time", m.PerRequest, size)
				}
				if onRedis := c.store == redisStore || c.store == redisAOF; m.Rate <= 0 || m.CPU <= 0 || m.Allocs <= 0 || (m.Commands > 0) != onRedis {
					t.Errorf("measured %+v", m)
				}
			})
		}
	}
}

func TestSteadyRateMeasuresLatencies(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sketch", "memory"} {
		c, _ := caseNamed(allCases(), name)
		sp := full
		sp.Size, sp.Rate, sp.Events = 1, 200, 100
		m, err := c.measure(sp, receiverSpec{Latency: true})
		if err != nil {
			t.Fatal(err)
		}
		if m.P50 <= 0 || m.P99 < m.P50 || m.EmitP50 <= 0 || m.Rate > 250 {
			t.Errorf("%s: measured %+v", name, m)
		}
	}
}

func TestIdleMeasuresOneEventAtATime(t *testing.T) {
	t.Parallel()
	testredis.Available(t)
	for _, name := range []string{"direct", "direct-redis"} {
		c, _ := caseNamed(allCases(), name)
		sp := full
		sp.Size, sp.Gap, sp.Events = 1, time.Millisecond, 20
		m, err := c.measure(sp, receiverSpec{Latency: true})
		if err != nil {
			t.Fatal(err)
		}
		if m.P50 <= 0 || name == "direct-redis" && m.Commands < 3 {
			t.Errorf("%s: measured %+v", name, m)
		}
	}
}

// A worker that cannot post ends the measurement with its error instead of waiting without end.
func TestFailureEndsTheMeasurement(t *testing.T) {
	t.Parallel()
	sp := full
	sp.Case, sp.URL, sp.Size, sp.Events = "sketch", refusingURL, 1, 5000
	c, err := startChild("sender", sp)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.line(); err != nil {
		t.Fatal(err)
	}
	if err := c.say("go"); err != nil {
		t.Fatal(err)
	}
	if text, err := c.line(); err == nil {
		t.Errorf("the sender said %q, want it to fail", text)
	}
}
