package webhook

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"time"
)

// idSource makes UUIDs of version 7 (RFC 9562): 48 bits of milliseconds, then a counter of 32 bits
// and 42 bits that are random and the same for all of one source, so that an ID tells whether this
// source made it.
type idSource struct {
	node    [6]byte // the last 42 bits; the rest is unused
	suffix  string  // how the IDs of this source end
	counter atomic.Uint32
}

// ownLen is how many hex digits at the end of a UUID are the node's alone.
const ownLen = 10

func newIDSource() *idSource {
	s := &idSource{}
	var start [4]byte
	_, _ = rand.Read(s.node[:]) // never fails
	_, _ = rand.Read(start[:])
	s.counter.Store(binary.BigEndian.Uint32(start[:]))
	id := s.next(time.UnixMilli(0))
	s.suffix = id[len(id)-ownLen:]
	return s
}

// next returns a new ID that begins with the time.
func (s *idSource) next(now time.Time) string {
	var b [16]byte
	n := s.counter.Add(1)
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	b[6] = 0x70 | byte(n>>28)           // version 7, and the counter's first 4 bits
	b[7] = byte(n >> 20)                // 8 bits
	b[8] = 0x80 | byte(n>>14)&0x3f      // variant, and 6 bits
	b[9] = byte(n >> 6)                 // 8 bits
	b[10] = byte(n<<2) | s.node[0]&0x03 // the last 6 bits, and 2 of the node
	copy(b[11:], s.node[1:])
	return formatUUID(&b)
}

func formatUUID(b *[16]byte) string {
	var t [36]byte
	hex.Encode(t[0:8], b[0:4])
	hex.Encode(t[9:13], b[4:6])
	hex.Encode(t[14:18], b[6:8])
	hex.Encode(t[19:23], b[8:10])
	hex.Encode(t[24:36], b[10:16])
	t[8], t[13], t[18], t[23] = '-', '-', '-', '-'
	return string(t[:])
}

// issued reports whether this source issued the ID, or the one that it was split from. It reports
// false for a replayed job, whose original was already counted as dead.
func (s *idSource) issued(id string) bool {
	return len(id) >= 36 && strings.HasSuffix(id[:36], s.suffix) && !strings.Contains(id, "~")
}

// originalID returns the Webhook-Id of a job: its ID without what queue.ReplayID has added. So a
// replay and the parts of a replay have the IDs that receivers know.
func originalID(id string) string {
	i := strings.IndexByte(id, '~')
	if i < 0 {
		return id
	}
	return id[:i] + originalID(strings.TrimLeft(id[i+1:], "0123456789"))
}
