package testredis

import (
	"net"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
)

// MoveSlot moves the slot of key from its master to another one, as an operator who adds a master
// does, key by key.
func (c *Cluster) MoveSlot(t testing.TB, key string) {
	t.Helper()
	from := c.Master(t, key)
	to := c.otherMaster(t, from)
	source, target := from.Client(), to.Client()
	defer source.Close()
	defer target.Close()
	slot := do(t, source, "CLUSTER", "KEYSLOT", key)
	sourceID, targetID := do(t, source, "CLUSTER", "MYID"), do(t, target, "CLUSTER", "MYID")
	do(t, target, "CLUSTER", "SETSLOT", slot, "IMPORTING", sourceID)
	do(t, source, "CLUSTER", "SETSLOT", slot, "MIGRATING", targetID)
	host, port, _ := net.SplitHostPort(to.Addr)
	for {
		keys, _ := do(t, source, "CLUSTER", "GETKEYSINSLOT", slot, 1).([]any)
		if len(keys) == 0 {
			break
		}
		do(t, source, "MIGRATE", host, port, keys[0], 0, 5000)
	}
	for _, client := range []*redis.Client{target, source} {
		do(t, client, "CLUSTER", "SETSLOT", slot, "NODE", targetID)
	}
}

// otherMaster returns a master that is not this one.
func (c *Cluster) otherMaster(t testing.TB, not *Server) *Server {
	t.Helper()
	i := slices.IndexFunc(c.Nodes, func(s *Server) bool {
		client := s.Client()
		defer client.Close()
		role, _ := do(t, client, "ROLE").([]any)
		return s != not && len(role) > 0 && role[0] == "master"
	})
	if i < 0 {
		t.Fatal("the cluster has no other master")
	}
	return c.Nodes[i]
}

func do(t testing.TB, client *redis.Client, args ...any) any {
	t.Helper()
	answer, err := client.Do(t.Context(), args...).Result()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return answer
}
