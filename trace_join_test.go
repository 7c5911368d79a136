package webhook

import (
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// fullTrace returns a Trace with all functions, each of which appends the name and its field's.
func fullTrace(name string, to *[]string) *Trace {
	var t Trace
	v := reflect.ValueOf(&t).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i).Name
		v.Field(i).Set(reflect.MakeFunc(v.Field(i).Type(), func([]reflect.Value) []reflect.Value {
			*to = append(*to, name+" "+field)
			return nil
		}))
	}
	return &t
}

func TestJoinedTracesAreAllCalledInOrder(t *testing.T) {
	t.Parallel()
	var got []string
	joined := JoinTraces(nil, fullTrace("first", &got), &Trace{}, fullTrace("second", &got))
	v := reflect.ValueOf(joined).Elem()
	for i := range v.NumField() {
		f, field := v.Field(i), v.Type().Field(i).Name
		if f.IsNil() {
			t.Errorf("JoinTraces leaves out %s", field)
			continue
		}
		got = nil
		f.Call([]reflect.Value{reflect.Zero(f.Type().In(0))})
		if want := []string{"first " + field, "second " + field}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestJoinedTracesWithoutAFunctionHaveNone(t *testing.T) {
	t.Parallel()
	v := reflect.ValueOf(JoinTraces(nil, &Trace{}, &Trace{})).Elem()
	for i := range v.NumField() {
		if !v.Field(i).IsNil() {
			t.Errorf("%s is set", v.Type().Field(i).Name)
		}
	}
}

func TestATraceThatPanicsKeepsNoneBehindItFromBeingCalled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told int
		e := start(t, &endpoint{}, func(o *Options) {
			o.Trace = JoinTraces(
				&Trace{Emitted: func(EmittedInfo) { panic("the host's") }},
				&Trace{Emitted: func(EmittedInfo) { told++ }},
			)
		})
		emit(t, e, occupied(1))
		drain(t, e)
		if s := e.Stats(); told != 1 || s.Panics != 1 {
			t.Errorf("told %d times, stats: %+v", told, s)
		}
	})
}

// What Dropped tells, without what the caller was told, is what Stats counts.
func TestDroppedTellsRefusedEventsFromLostOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		open := gate(q)
		var lost, refused int64
		e := start(t, &endpoint{}, with(q), apps(testApp("http://a.test/", "http://b.test/")), func(o *Options) {
			o.OutboxBytes = 100_000
			o.Trace = &Trace{Dropped: func(i DroppedInfo) {
				if i.Refused {
					refused += int64(i.Events)
				} else {
					lost += int64(i.Events)
				}
			}}
		})
		h := e.apps.hook("my-app", e.apps.get("my-app").hooks[0].id)
		e.outbox.setFailing(h, true) // it has half of the room
		for i := range 5000 {
			_ = e.Emit(occupied(i))
		}
		s := e.Stats()
		if lost != s.Dropped || refused != 2*s.Overflowed || lost == 0 || refused == 0 {
			t.Errorf("told of %d lost and %d refused, stats: %+v", lost, refused, s)
		}
		if s.OutboxLimit != 100_000 || s.OutboxBytes < 50_000 || s.OutboxBytes > s.OutboxLimit {
			t.Errorf("the outbox holds %d of %d bytes", s.OutboxBytes, s.OutboxLimit)
		}
		open()
		drain(t, e)
		if s := e.Stats(); s.OutboxBytes != 0 {
			t.Errorf("the outbox holds %d bytes after draining", s.OutboxBytes)
		}
	})
}

func TestAttemptedTellsTheTargetAndTheTimeSinceEmit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gone := dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"}
		to := &endpoint{answer: answers(status(503), gone, status(200))}
		var got []AttemptedInfo
		e := start(t, to, apps(testApp("https://user:password@receiver.test:8443/secret?token=secret")), func(o *Options) {
			o.Trace = &Trace{Attempted: func(i AttemptedInfo) { got = append(got, i) }}
		})
		emit(t, e, occupied(1))
		time.Sleep(10 * time.Second)
		replayAll(t, e)
		time.Sleep(time.Second)
		synctest.Wait()
		if len(got) != 3 {
			t.Fatalf("%d attempts", len(got))
		}
		for _, i := range got {
			if i.Target != "https://receiver.test:8443" {
				t.Errorf("the target is %q", i.Target)
			}
		}
		if first := got[0].SinceEmit; first != defaultBatchDuration {
			t.Errorf("the first attempt ended %v after Emit, want %v", first, defaultBatchDuration)
		}
		if second := got[1].SinceEmit; second != defaultBatchDuration+got[0].After {
			t.Errorf("the second attempt ended %v after Emit, want %v", second, defaultBatchDuration+got[0].After)
		}
		if replayed := got[2].SinceEmit; replayed != -1 {
			t.Errorf("the replayed job's attempt has %v, want -1", replayed)
		}
	})
}
