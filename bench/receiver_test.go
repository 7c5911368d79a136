package main

import (
	"testing"
	"time"
)

func TestReceiverCountsEventsAndTheirAges(t *testing.T) {
	t.Parallel()
	w := newWorkload(10)
	body := w.appendBody(nil, 3, 100)
	r := &receiver{receiverSpec: receiverSpec{Latency: true}}
	r.note(body, time.Now().Add(time.Hour))
	got := r.receipt()
	if got.Events != 100 || got.Requests != 1 || len(r.ages) != 100 {
		t.Errorf("%d events, %d requests, %d ages; want 100, 1 and 100", got.Events, got.Requests, len(r.ages))
	}
	if got.P50 < time.Hour || got.P99 > 2*time.Hour {
		t.Errorf("ages of %v and %v, want about an hour", got.P50, got.P99)
	}
}

func TestSettledRateLeavesTheEndsOut(t *testing.T) {
	t.Parallel()
	var times []time.Time
	at := time.Unix(0, 0)
	for i := range 100 {
		step := 10 * time.Millisecond
		if i < 20 || i > 80 {
			step = time.Second
		}
		at = at.Add(step)
		times = append(times, at)
	}
	if got := settledRate(times); got < 99 || got > 101 {
		t.Errorf("%v requests/s, want 100", got)
	}
}

func TestUseReadsInfo(t *testing.T) {
	t.Parallel()
	got, err := parseUse("# Stats\r\ntotal_commands_processed:350\r\n# CPU\r\nused_cpu_sys:0.5\r\nused_cpu_user:1.25\r\n" +
		"cmdstat_evalsha:calls=20,usec=9\r\ncmdstat_fcall:calls=3,usec=9\r\ncmdstat_get:calls=7,usec=1\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := (storeUse{cpu: 1.75, commands: 350, scripts: 23}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := parseUse("no such answer"); err == nil {
		t.Error("an answer without figures is no error")
	}
}
