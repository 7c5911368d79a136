package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// measurement is what one run of a case has shown. All but the rate and the times are of one event.
type measurement struct {
	Rate     float64 // events/s
	CPU      float64 // of the sender, µs
	StoreCPU float64 // of the store, µs
	Allocs   float64 // objects, in the sender
	Commands float64 // of Redis, those in scripts included
	Scripts  float64
	Peak     float64 // of the sender's anonymous memory, MiB
	P50, P99 float64 // from Emit to receipt, ms
	EmitP50  float64 // µs
	Late     float64 // share of Emits that began late

	PerRequest float64 // events
	Settled    float64 // requests/s in the middle of the run, where the receiver is slow
}

// measureTimeout bounds one run of a case.
const measureTimeout = 15 * time.Minute

// measure runs a case once, with a sender, a receiver and a store that are made for it.
func (c *benchCase) measure(sp spec, to receiverSpec) (m measurement, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), measureTimeout)
	defer cancel()
	s := &servers{}
	defer s.stop(&err)
	receiver, err := startReceiver(to)
	if err != nil {
		return m, err
	}
	s.Cleanup(func() { s.check(receiver.stop()) })
	store := startStore(c.store, s)
	sp.Case, sp.URL, sp.Redis, sp.Dir = c.name, receiver.url, store.addr, store.dir
	sender, err := startChild("sender", sp)
	if err != nil {
		return m, err
	}
	s.Cleanup(func() { s.check(sender.stop()) })
	defer context.AfterFunc(ctx, func() { s.check(sender.cmd.Process.Kill()) })()
	return run(ctx, sp.Events, sender, receiver, store)
}

// run has a sender begin, and gathers what was measured when it has ended.
func run(ctx context.Context, events int, sender *child, receiver *remoteReceiver, store *remoteStore) (m measurement, err error) {
	if _, err := sender.line(); err != nil {
		return m, err
	}
	before, err := store.use(ctx)
	if err != nil {
		return m, err
	}
	watch := watchPeak(sender.cmd.Process.Pid)
	failed := sender.say("go")
	text, err := sender.line()
	peak := watch.end()
	if err := errors.Join(failed, err); err != nil {
		return m, err
	}
	after, err := store.use(ctx)
	if err != nil {
		return m, err
	}
	got, err := receiver.receipt()
	if err != nil {
		return m, err
	}
	if got.Events < int64(events) {
		return m, fmt.Errorf("%d of %d events arrived", got.Events, events)
	}
	var result sent
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		return m, err
	}
	return newMeasurement(float64(events), result, got, after.minus(before), peak), nil
}

func newMeasurement(events float64, s sent, got receipt, u storeUse, peak int64) measurement {
	return measurement{
		Rate: events / s.Took.Seconds(), CPU: s.CPU.Seconds() * 1e6 / events, StoreCPU: u.cpu * 1e6 / events,
		Allocs: float64(s.Allocs) / events, Commands: u.commands / events, Scripts: u.scripts / events,
		Peak: float64(peak) / (1 << 20), P50: got.P50.Seconds() * 1e3, P99: got.P99.Seconds() * 1e3,
		EmitP50: s.EmitP50.Seconds() * 1e6, Late: float64(s.LateEmits) / events,
		PerRequest: divide(float64(got.Events), float64(got.Requests)), Settled: got.Settled,
	}
}
