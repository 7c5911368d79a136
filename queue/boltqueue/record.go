package boltqueue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// recordVersion is the first byte of every record in the file.
const recordVersion = format

// Flags of a job's or a dead letter's record, and of a lane's.
const (
	flagOrdered = 1
	flagHeld    = 1
)

// maxReason is how much of a dead letter's reason is kept, in bytes.
const maxReason = 1024

// maxID and maxLane are how long a job's names are at most, in bytes.
const (
	maxID   = 128
	maxLane = 512
)

var (
	errShort = errors.New("record is shorter than its fields")
	errLong  = errors.New("record is longer than its fields")
)

// record is what the file keeps of a job besides its Data, which has a bucket of its own so that
// opening a long queue does not read it. Times are Unix nanoseconds, 0 for none.
type record struct {
	id, lane string
	ordered  bool
	span     uint8 // see slot
	size     uint32
	enqueued int64 // when its age began
	progress
}

// progress is the part of a record that a nack changes.
type progress struct {
	attempts uint32
	first    int64 // when its first attempt began
	due      int64 // when its delay ends
	delay    int64 // how long its delay is, in nanoseconds; the clock that due is from may have been wrong
	returned bool  // it goes before the jobs that were never worked on (H8)
}

// Where a record's fields are. The lane and then the id follow the fixed part.
const (
	recFlags    = 1
	recSpan     = 2
	recLaneLen  = 3
	recProgress = 5
	recEnqueued = recProgress + progressLen
	recSize     = recEnqueued + 8
	recFixed    = recSize + 4

	progressLen = 4 + 8 + 8 + 8 + 1
)

// append writes the record behind b.
func (r *record) append(b []byte) []byte {
	var flags byte
	if r.ordered {
		flags = flagOrdered
	}
	b = append(b, recordVersion, flags, r.span)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.lane)))
	b = r.progress.append(b)
	b = binary.BigEndian.AppendUint64(b, uint64(r.enqueued))
	b = binary.BigEndian.AppendUint32(b, r.size)
	b = append(b, r.lane...)
	return append(b, r.id...)
}

func (p progress) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, p.attempts)
	b = binary.BigEndian.AppendUint64(b, uint64(p.first))
	b = binary.BigEndian.AppendUint64(b, uint64(p.due))
	b = binary.BigEndian.AppendUint64(b, uint64(p.delay))
	if p.returned {
		return append(b, 1)
	}
	return append(b, 0)
}

// patched returns a copy of an encoded record with its progress replaced.
func patched(old []byte, p progress) []byte {
	b := append([]byte(nil), old...)
	p.append(b[:recProgress])
	return b
}

// decodeRecord reads what append wrote.
func decodeRecord(b []byte) (record, error) {
	if err := checkVersion(b); err != nil {
		return record{}, err
	}
	if len(b) < recFixed {
		return record{}, errShort
	}
	lane := recFixed + int(binary.BigEndian.Uint16(b[recLaneLen:]))
	if len(b) <= lane {
		return record{}, errShort
	}
	if len(b) > lane+maxID {
		return record{}, errLong
	}
	return record{
		id:       string(b[lane:]),
		lane:     string(b[recFixed:lane]),
		ordered:  b[recFlags]&flagOrdered != 0,
		span:     min(b[recSpan], seqSpan),
		size:     binary.BigEndian.Uint32(b[recSize:]),
		enqueued: int64(binary.BigEndian.Uint64(b[recEnqueued:])),
		progress: decodeProgress(b[recProgress:]),
	}, nil
}

func decodeProgress(b []byte) progress {
	return progress{
		attempts: binary.BigEndian.Uint32(b),
		first:    int64(binary.BigEndian.Uint64(b[4:])),
		due:      int64(binary.BigEndian.Uint64(b[12:])),
		delay:    int64(binary.BigEndian.Uint64(b[20:])),
		returned: b[28] != 0,
	}
}

// deadRecord is what the file keeps of a dead letter. Its Data stays where the job's was.
type deadRecord struct {
	id, lane, reason string
	ordered          bool
	attempts         uint32
	first, at        int64
	data             uint64 // the key of its Data
	size             uint32 // of its Data
}

// Where a dead record's fields are. The lane, the id and the reason follow.
const (
	deadFlags    = 1
	deadLaneLen  = 2
	deadIDLen    = 4
	deadAttempts = 6
	deadFirst    = 10
	deadAt       = 18
	deadData     = 26
	deadSize     = 34
	deadFixed    = 38
)

// encode returns the record's bytes.
func (d *deadRecord) encode() []byte {
	var flags byte
	if d.ordered {
		flags = flagOrdered
	}
	reason := strings.ToValidUTF8(d.reason[:min(len(d.reason), maxReason)], "") // a character may be cut
	b := make([]byte, 0, deadFixed+len(d.lane)+len(d.id)+len(reason))
	b = append(b, recordVersion, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(len(d.lane)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(d.id)))
	b = binary.BigEndian.AppendUint32(b, d.attempts)
	b = binary.BigEndian.AppendUint64(b, uint64(d.first))
	b = binary.BigEndian.AppendUint64(b, uint64(d.at))
	b = binary.BigEndian.AppendUint64(b, d.data)
	b = binary.BigEndian.AppendUint32(b, d.size)
	b = append(b, d.lane...)
	b = append(b, d.id...)
	return append(b, reason...)
}

// decodeDead reads what encode wrote.
func decodeDead(b []byte) (deadRecord, error) {
	if err := checkVersion(b); err != nil {
		return deadRecord{}, err
	}
	if len(b) < deadFixed {
		return deadRecord{}, errShort
	}
	lane := deadFixed + int(binary.BigEndian.Uint16(b[deadLaneLen:]))
	id := lane + int(binary.BigEndian.Uint16(b[deadIDLen:]))
	if len(b) < id {
		return deadRecord{}, errShort
	}
	return deadRecord{
		lane:     string(b[deadFixed:lane]),
		id:       string(b[lane:id]),
		reason:   string(b[id:]),
		ordered:  b[deadFlags]&flagOrdered != 0,
		attempts: binary.BigEndian.Uint32(b[deadAttempts:]),
		first:    int64(binary.BigEndian.Uint64(b[deadFirst:])),
		at:       int64(binary.BigEndian.Uint64(b[deadAt:])),
		data:     binary.BigEndian.Uint64(b[deadData:]),
		size:     binary.BigEndian.Uint32(b[deadSize:]),
	}, nil
}

// laneRecord is what the file keeps of a lane's state, under the lane's name.
type laneRecord struct {
	health    uint8
	held      bool
	holds     uint32
	since     int64 // when health became what it is
	heldUntil int64 // 0 if it is not held
	seen      int64 // when it was written, and a job of the lane may have been in the queue
	reason    string
}

// Where a lane record's fields are. The reason follows.
const (
	laneHealth = 1
	laneFlags  = 2
	laneHolds  = 3
	laneSince  = 7
	laneUntil  = 15
	laneSeen   = 23
	laneFixed  = 31
)

var errHealth = errors.New("record has an unknown health")

// encode returns the record's bytes.
func (r *laneRecord) encode() []byte {
	var flags byte
	if r.held {
		flags = flagHeld
	}
	b := append(make([]byte, 0, laneFixed+len(r.reason)), recordVersion, r.health, flags)
	b = binary.BigEndian.AppendUint32(b, r.holds)
	b = binary.BigEndian.AppendUint64(b, uint64(r.since))
	b = binary.BigEndian.AppendUint64(b, uint64(r.heldUntil))
	b = binary.BigEndian.AppendUint64(b, uint64(r.seen))
	return append(b, r.reason...)
}

// decodeLane reads what encode wrote.
func decodeLane(b []byte) (laneRecord, error) {
	if err := checkVersion(b); err != nil {
		return laneRecord{}, err
	}
	if len(b) < laneFixed {
		return laneRecord{}, errShort
	}
	if b[laneHealth] > uint8(queue.Failing) {
		return laneRecord{}, errHealth
	}
	return laneRecord{
		health:    b[laneHealth],
		held:      b[laneFlags]&flagHeld != 0,
		holds:     binary.BigEndian.Uint32(b[laneHolds:]),
		since:     int64(binary.BigEndian.Uint64(b[laneSince:])),
		heldUntil: int64(binary.BigEndian.Uint64(b[laneUntil:])),
		seen:      int64(binary.BigEndian.Uint64(b[laneSeen:])),
		reason:    string(b[laneFixed:]),
	}, nil
}

func checkVersion(b []byte) error {
	switch {
	case len(b) == 0:
		return errShort
	case b[0] != recordVersion:
		return fmt.Errorf("record has version %d, this package reads %d", b[0], recordVersion)
	}
	return nil
}

// key returns the file's key for a number; keys sort as their numbers do.
func key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// number reads a key; a key of another length is not one of ours and reads as the largest.
func number(k []byte) uint64 {
	if len(k) != 8 {
		return math.MaxUint64
	}
	return binary.BigEndian.Uint64(k)
}

// unixTime returns the time of Unix nanoseconds n, and the zero time for 0.
func unixTime(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}
