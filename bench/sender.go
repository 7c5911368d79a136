package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/metrics"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/pushhooks/webhook/internal/cputime"
)

// spec is a measurement: a case, and how it is driven.
type spec struct {
	Case  string
	URL   string // of the receiver
	Redis string // host:port, if the case needs one
	Dir   string // of the disk queue, if the case needs one

	Events    int
	Size      int // events a request
	Apps      int
	Producers int
	Workers   int

	Rate int           // events a second; 0: as fast as they are taken
	Gap  time.Duration // between an event's arrival and the next one, by the only producer; 0: none

	Profile string // file for a CPU profile of the sender
}

// sent is what a sender's process has measured of itself, from the first Emit until the last event
// was acknowledged.
type sent struct {
	Took       time.Duration
	CPU        time.Duration // user and system, by getrusage
	Allocs     uint64        // objects
	AllocBytes uint64
	EmitP50    time.Duration // at a steady rate
	LateEmits  int           // at a steady rate: emitted more than 10 ms after their time
}

// send is the sender's process: it makes the case's pipeline, says that it is ready, and begins
// when it is told. Then it says what it measured.
func send(text []byte) error {
	s := &setup{}
	if err := json.Unmarshal(text, &s.spec); err != nil {
		return err
	}
	c, ok := caseNamed(allCases(), s.Case)
	if !ok {
		return fmt.Errorf("no case is named %q", s.Case)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	s.load, s.fail = newWorkload(s.Apps), cancel
	p, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := fmt.Scanln(new(string)); err != nil { // what the parent says when the clock runs
		return err
	}
	measured := make(chan error, 1)
	var result sent
	go func() {
		var err error
		result, err = s.measure(ctx, p)
		measured <- err
	}()
	select {
	case err = <-measured:
	case <-ctx.Done(): // a worker has failed, so the rest may never come
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.Case, err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		return err
	}
	return awaitEnd()
}

// measure drives the pipeline.
func (s *setup) measure(ctx context.Context, p pipeline) (result sent, err error) {
	if s.Profile != "" {
		f, err := os.Create(s.Profile)
		if err != nil {
			return result, err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return result, err
		}
		defer pprof.StopCPUProfile()
	}
	allocs, bytes := allocated()
	used, err := cputime.Used()
	if err != nil {
		return result, err
	}
	began := time.Now()
	emits, err := s.drive(ctx, p)
	if err != nil {
		return result, err
	}
	if err := p.finish(ctx); err != nil {
		return result, err
	}
	result.Took = time.Since(began)
	now, err := cputime.Used()
	result.CPU = now - used
	a, b := allocated()
	result.Allocs, result.AllocBytes = a-allocs, b-bytes
	emits.into(&result)
	return result, err
}

// drive emits all events.
func (s *setup) drive(ctx context.Context, p pipeline) (*emitTimes, error) {
	d, ok := p.(selfDriven)
	switch {
	case s.Gap > 0:
		return s.emitOneByOne(ctx, p)
	case s.Rate > 0:
		return s.emitSteadily(ctx, p)
	case ok:
		return &emitTimes{}, d.drive(ctx, s.Events)
	}
	return s.emitAll(ctx, p)
}

// emitTimes are what Emits took.
type emitTimes struct {
	took []time.Duration // of each, at a steady rate
	late int
}

func (e *emitTimes) into(r *sent) {
	slices.Sort(e.took)
	r.EmitP50, r.LateEmits = percentile(e.took, 50), e.late
}

// emitAll has the producers emit as fast as they can. Producer p emits the events p, p+producers
// and so on.
func (s *setup) emitAll(ctx context.Context, p pipeline) (*emitTimes, error) {
	return &emitTimes{}, each(s.Producers, func(producer int) error {
		for i := producer; i < s.Events; i += s.Producers {
			if err := p.emit(ctx, s.load.event(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// lateAfter is how late an Emit may begin before it is counted.
const lateAfter = 10 * time.Millisecond

// emitSteadily has the producers emit event i at i divided by the rate.
func (s *setup) emitSteadily(ctx context.Context, p pipeline) (*emitTimes, error) {
	lists := make([]emitTimes, s.Producers)
	began := time.Now()
	err := each(s.Producers, func(producer int) error {
		t := &lists[producer]
		for i := producer; i < s.Events; i += s.Producers {
			due := began.Add(time.Duration(i) * time.Second / time.Duration(s.Rate))
			time.Sleep(time.Until(due))
			if time.Since(due) > lateAfter {
				t.late++
			}
			if err := s.emitTimed(ctx, p, i, t); err != nil {
				return err
			}
		}
		return nil
	})
	all := &emitTimes{}
	for _, t := range lists {
		all.took, all.late = append(all.took, t.took...), all.late+t.late
	}
	return all, err
}

// emitOneByOne emits an event when the last one's gap is over: the system is idle before each.
func (s *setup) emitOneByOne(ctx context.Context, p pipeline) (*emitTimes, error) {
	t := &emitTimes{}
	for i := range s.Events {
		time.Sleep(s.Gap)
		if err := s.emitTimed(ctx, p, i, t); err != nil {
			return t, err
		}
	}
	return t, nil
}

func (s *setup) emitTimed(ctx context.Context, p pipeline, i int, t *emitTimes) error {
	ev := s.load.event(i)
	began := time.Now()
	err := p.emit(ctx, ev)
	t.took = append(t.took, time.Since(began))
	return err
}

// allocated returns how many objects and bytes the process has allocated so far.
func allocated() (objects, bytes uint64) {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/tiny/allocs:objects"}, {Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(s)
	return s[0].Value.Uint64() + s[1].Value.Uint64(), s[2].Value.Uint64()
}
