package redisqueue

import (
	"testing"

	"github.com/pushhooks/webhook/internal/testredis"
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
