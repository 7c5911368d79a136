package redisqueue

import (
	"context"
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
	for client.Get(ctx, "p:partitions").Val() != "layout 2, partitions 3" {
		if ctx.Err() != nil {
			t.Fatal("the number of partitions was not stored again")
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestLostTakesAreKeptUntilTheyCannotRunAnyMore(t *testing.T) {
	t.Parallel()
	early, late := lostTake{"early", 100}, lostTake{"late", 300}
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
