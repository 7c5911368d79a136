package redisqueue

import (
	"hash/fnv"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// partition is one part of the lanes. All its keys have one hash tag, so that a script can use them
// together.
type partition struct {
	number int
	base   string // how the names of its keys begin

	// skew is Redis's clock minus ours, in microseconds, as of the last answer; 0: not known.
	skew atomic.Int64

	mu     sync.Mutex
	ready  rings     // where lanes may be: some were left there, or we were woken
	armed  bool      // we shall be woken when a lane enters a ring
	wakes  uint64    // how often we were woken for it
	looked time.Time // when it was asked last, or when that was answered
	due    time.Time // when the next delay or lease ends, as far as is known; zero: unknown or none
	failed error     // what the last call ended with
	retry  time.Time // when to ask again after a failure
	lost   []lostTake

	// left counts the calls that Receives did not wait for. While there are some nobody asks again,
	// so that a server that hangs is not asked by more and more goroutines.
	left int

	rtt     time.Duration // a round trip, smoothed; 0: not known
	idleRTT time.Duration // about the lowest
	slows   int           // how often calls were not answered in time lately
	slowed  time.Time     // when that was last
}

// rings is a set of the rings that lanes are in, by the healths of the lanes.
type rings uint8

const allRings = 1<<queue.Untried | 1<<queue.Healthy | 1<<queue.Failing

func ring(h queue.Health) rings { return 1 << h }

// lostTake is a take call whose answer was lost, so it may have leased jobs under a token that
// nobody holds. Later calls release those leases. It is forgotten when its deadline has passed by
// Redis's clock.
type lostTake struct {
	token    string
	deadline int64 // by Redis's clock, in microseconds
	timeout  int64 // how long before that it was sent, in microseconds
}

// maxLost bounds what a partition remembers of them. The leases of others end by themselves.
const maxLost = 100

func newPartitions(prefix string, n int) []*partition {
	parts := make([]*partition, n)
	for i := range parts {
		parts[i] = &partition{number: i, base: prefix + "{" + tag(i, n) + "}:"}
	}
	return parts
}

// large returns the key of the data of large jobs.
func (p *partition) large() string { return p.base + "large" }

// inlineBytes is the longest Data that scripts read and write. It is the same in lua/base.lua.
const inlineBytes = 1024

// ofLane returns the partition of a lane.
func (q *Queue) ofLane(lane string) int {
	if len(q.parts) == 1 {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(lane))
	return int(h.Sum32() % uint32(len(q.parts)))
}

const slots = 16384

// tag returns the hash tag of partition i of n: a number whose slot lies in the i-th of n equal
// ranges of slots. Masters own ranges of slots, so the partitions are spread over the masters
// evenly.
func tag(i, n int) string {
	low, high := slots*i/n, slots*(i+1)/n
	for k := 0; ; k++ {
		s := strconv.Itoa(k)
		if slot := int(crc16(s)) % slots; slot >= low && slot < high {
			return s
		}
	}
}

// crc16 is the checksum that Redis Cluster maps keys to slots with: CRC-16/XMODEM.
func crc16(s string) uint16 {
	var crc uint16
	for _, b := range []byte(s) {
		crc ^= uint16(b) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
	}
	return crc
}

// clockTolerance is how far off the known skew may be. Its estimates differ by what the network and
// the scheduler take.
const clockTolerance = 10_000 // microseconds

// noteClock notes Redis's clock, in microseconds, as of an answer that has just come to a call that
// began at start. The known skew stays as long as it agrees with the answer, so that a time that is
// read twice is the same.
func (p *partition) noteClock(start time.Time, now int64) {
	least, most := now-time.Now().UnixMicro(), now-start.UnixMicro()
	skew := p.skew.Load()
	if skew != 0 && skew > least-clockTolerance && skew < most+clockTolerance {
		return
	}
	skew = least
	if skew == 0 {
		skew = 1 // 0: not known
	}
	p.skew.Store(skew)
}
