package queue

import (
	"strconv"
	"strings"
)

// ReplayID returns the ID under which the dead letter with this ID is replayed: "j" becomes "j~1",
// "j~1" becomes "j~2", and so on. It is the same every time, so that a replay that is
// repeated after a lost answer makes one job, and it differs from every earlier one, so that
// no marker and no server's deduplication swallows it.
func ReplayID(id string) string {
	i := strings.LastIndexByte(id, '~')
	k, err := strconv.ParseUint(id[i+1:], 10, 31)
	if i < 0 || err != nil {
		return id + "~1"
	}
	return id[:i+1] + strconv.FormatUint(k+1, 10)
}
