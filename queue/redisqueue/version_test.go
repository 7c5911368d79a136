package redisqueue_test

import (
	"strings"
	"testing"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// A store of another layout is refused with both versions named, and nothing in it is touched.
func TestNewRefusesAnotherLayout(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	for name, c := range map[string]struct{ stored, version string }{
		"first":   {"16", "version 1,"},
		"older":   {"layout 2, partitions 16", "version 2,"},
		"newer":   {"layout 4, partitions 16", "version 4,"},
		"unknown": {"layout 12 of a kind that is not known yet", "version 12,"},
	} {
		prefix := name + ":"
		if err := client.Set(t.Context(), prefix+"partitions", c.stored, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if err := client.HSet(t.Context(), prefix+"{0}:jobs", "j", "x").Err(); err != nil {
			t.Fatal(err)
		}
		_, err := redisqueue.New(t.Context(), client, redisqueue.Options{Prefix: prefix})
		if err == nil || !strings.Contains(err.Error(), c.version) || !strings.Contains(err.Error(), "version 3") {
			t.Errorf("%s: New returned %v; want an error that names %s and version 3", name, err, c.version)
		}
		if stored := client.Get(t.Context(), prefix+"partitions").Val(); stored != c.stored {
			t.Errorf("%s: the stored layout is %q now; it was %q", name, stored, c.stored)
		}
		if n := client.HLen(t.Context(), prefix+"{0}:jobs").Val(); n != 1 {
			t.Errorf("%s: %d jobs are left of 1", name, n)
		}
	}
}

func TestNewRefusesWhatIsNoLayout(t *testing.T) {
	t.Parallel()
	client := testredis.StartServer(t, testredis.Options{}).Client()
	defer client.Close()
	for _, stored := range []string{"", "something else", "layout 3, partitions 0", "layout 3, partitions 257", "layout 3"} {
		if err := client.Set(t.Context(), "p:partitions", stored, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := redisqueue.New(t.Context(), client, redisqueue.Options{Prefix: "p:"}); err == nil {
			t.Errorf("New succeeded with %q", stored)
		}
	}
}
