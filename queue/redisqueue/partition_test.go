package redisqueue

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
)

func TestSlotsAreThoseOfRedisCluster(t *testing.T) {
	t.Parallel()
	client := testredis.SharedCluster(t).Client()
	defer client.Close()
	for _, key := range []string{"0", "1", "42", "123456789", "pushhooks", "ü"} {
		slot, err := client.ClusterKeySlot(t.Context(), key).Result()
		if err != nil {
			t.Fatal(err)
		}
		if got := int64(crc16(key)) % slots; got != slot {
			t.Errorf("slot of %q is %d; Redis says %d", key, got, slot)
		}
	}
}

func TestTagsSpreadOverTheSlots(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 16, maxPartitions} {
		for i := range n {
			slot := int(crc16(tag(i, n))) % slots
			if slot*n/slots != i {
				t.Errorf("partition %d of %d has slot %d", i, n, slot)
			}
		}
	}
}

func TestFlushedPartitionNumberIsStoredAgain(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q, err := New(t.Context(), client, Options{Prefix: "p:", Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if err := client.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	q.maintained.Store(time.Now().Add(-2 * maintainEvery).UnixNano())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	go func() { _, _ = q.Receive(ctx, queue.Want{Max: 1, MaxPerLane: 1, MaxUntried: 1, MaxFailing: 1}) }()
	for client.Get(ctx, "p:partitions").Val() != "layout 3, partitions 3" {
		if ctx.Err() != nil {
			t.Fatal("the number of partitions was not stored again")
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestLostTakesAreKeptUntilTheyCannotRunAnyMore(t *testing.T) {
	t.Parallel()
	early, late := lostTake{"early", 100, 50}, lostTake{"late", 300, 50}
	p := &partition{lost: []lostTake{early, late}}
	p.forget([]lostTake{early, late}, 100) // early may just have run
	if len(p.lostTakes()) != 2 {
		t.Errorf("left %v; want both", p.lostTakes())
	}
	p.forget(nil, 200) // a call that did not know of them has released nothing
	if len(p.lostTakes()) != 2 {
		t.Errorf("left %v; want both", p.lostTakes())
	}
	p.forget([]lostTake{early, late}, 200)
	if got := p.lostTakes(); len(got) != 1 || got[0] != late {
		t.Errorf("left %v; want the late one", got)
	}
}

// Lanes without jobs are forgotten, with their state, when they are old enough; others never are.
func TestSweepForgetsOldLanes(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	q, err := New(t.Context(), client, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for i := range lanePage + 10 {
		u := queue.LaneUpdate{Lane: fmt.Sprintf("empty-%03d", i), Health: queue.Failing}
		if err := q.SetLane(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Enqueue(t.Context(), []queue.Job{{ID: "j", Lane: "used"}}); err != nil {
		t.Fatal(err)
	}
	left := func(age time.Duration) int {
		if err := q.sweep(t.Context(), q.parts[0], age); err != nil {
			t.Fatal(err)
		}
		lanes, err := q.Lanes(t.Context(), "", maxLanes)
		if err != nil {
			t.Fatal(err)
		}
		return len(lanes)
	}
	if n := left(time.Hour); n != lanePage+11 {
		t.Errorf("%d lanes are left of %d that are not old", n, lanePage+11)
	}
	if n := left(0); n != 1 {
		t.Errorf("%d lanes are left; want the one that has a job", n)
	}
}

// A clock that is wrong by hours does not show in any time that the queue returns.
func TestTimesAreByThisProcessesClock(t *testing.T) {
	t.Parallel()
	p := &partition{}
	now := time.Now()
	redis := now.Add(-6 * time.Hour) // what Redis believes
	p.noteClock(now.Add(-time.Millisecond), redis.UnixMicro())
	if d := p.local(redis.Add(-time.Minute).UnixMicro()).Sub(now.Add(-time.Minute)).Abs(); d > time.Second {
		t.Errorf("a minute ago is off by %v", d)
	}
	first := p.local(redis.UnixMicro())
	p.noteClock(now, redis.Add(2*time.Millisecond).UnixMicro()) // agrees as far as can be told
	if again := p.local(redis.UnixMicro()); !again.Equal(first) {
		t.Errorf("the same time was %v and then %v", first, again)
	}
	p.noteClock(time.Now(), time.Now().UnixMicro()) // Redis's clock was set right
	if d := p.local(now.UnixMicro()).Sub(now).Abs(); d > time.Second {
		t.Errorf("after Redis's clock was set, now is off by %v", d)
	}
	if !p.local(0).IsZero() {
		t.Error("no time is not the zero time")
	}
}
