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

// record is what the file keeps of a job in front of its Data. It is written once; what a nack
// changes is beside it. Times are Unix nanoseconds, 0 for none.
type record struct {
	id, lane string
	ordered  bool
	span     uint8 // see slot
	enqueued int64 // when its age began
}

// Where a record's fields are. The lane, the id and the Data follow the fixed part.
const (
	recFlags    = 1
	recSpan     = 2
	recLaneLen  = 3
	recIDLen    = 5
	recEnqueued = 6
	recFixed    = recEnqueued + 8
)

// len returns how many bytes append writes.
func (r *record) len() int { return recFixed + len(r.lane) + len(r.id) }

// append writes the record behind b.
func (r *record) append(b []byte) []byte {
	var flags byte
	if r.ordered {
		flags = flagOrdered
	}
	b = append(b, recordVersion, flags, r.span)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.lane)))
	b = append(b, byte(len(r.id)))
	b = binary.BigEndian.AppendUint64(b, uint64(r.enqueued))
	b = append(b, r.lane...)
	return append(b, r.id...)
}

// splitRecord returns the parts of a job's value behind the fixed one.
func splitRecord(b []byte) (lane, id, data []byte, err error) {
	if err := checkVersion(b); err != nil {
		return nil, nil, nil, err
	}
	if len(b) < recFixed {
		return nil, nil, nil, errShort
	}
	idAt := recFixed + int(binary.BigEndian.Uint16(b[recLaneLen:]))
	dataAt := idAt + int(b[recIDLen])
	if len(b) < dataAt || idAt == dataAt {
		return nil, nil, nil, errShort
	}
	if dataAt-idAt > maxID {
		return nil, nil, nil, errLong
	}
	return b[recFixed:idAt], b[idAt:dataAt], b[dataAt:], nil
}

// decodeRecord reads what append wrote, and returns the Data behind it.
func decodeRecord(b []byte) (r record, data []byte, err error) {
	lane, id, data, err := splitRecord(b)
	if err != nil {
		return record{}, nil, err
	}
	return record{
		id:       string(id),
		lane:     string(lane),
		ordered:  b[recFlags]&flagOrdered != 0,
		span:     min(b[recSpan], seqSpan),
		enqueued: int64(binary.BigEndian.Uint64(b[recEnqueued:])),
	}, data, nil
}

// progress is what the leases of a job have changed. The file keeps it if it is not zero.
type progress struct {
	attempts uint32
	first    int64 // when its first attempt began
	due      int64 // when its delay ends
	// how long its delay is, in nanoseconds; the clock that due is from may have been wrong
	delay    int64
	returned bool // it goes before the jobs that were never worked on (H8)
}

// progressLen is the length of an encoded progress.
const progressLen = 1 + 4 + 8 + 8 + 8 + 1

// encode returns the progress's bytes.
func (p progress) encode() []byte {
	b := append(make([]byte, 0, progressLen), recordVersion)
	b = binary.BigEndian.AppendUint32(b, p.attempts)
	b = binary.BigEndian.AppendUint64(b, uint64(p.first))
	b = binary.BigEndian.AppendUint64(b, uint64(p.due))
	b = binary.BigEndian.AppendUint64(b, uint64(p.delay))
	if p.returned {
		return append(b, 1)
	}
	return append(b, 0)
}

// decodeProgress reads what encode wrote. What it cannot read is no progress: the job begins anew.
func decodeProgress(b []byte) progress {
	if len(b) != progressLen || b[0] != recordVersion {
		return progress{}
	}
	b = b[1:]
	return progress{
		attempts: binary.BigEndian.Uint32(b),
		first:    int64(binary.BigEndian.Uint64(b[4:])),
		due:      int64(binary.BigEndian.Uint64(b[12:])),
		delay:    int64(binary.BigEndian.Uint64(b[20:])),
		returned: b[28] != 0,
	}
}

// deadRecord is what the file keeps of a dead letter in front of its Data.
type deadRecord struct {
	id, lane, reason string
	ordered          bool
	attempts         uint32
	first, at        int64
}

// Where a dead record's fields are. The lane, the id, the reason and the Data follow.
const (
	deadFlags     = 1
	deadLaneLen   = 2
	deadIDLen     = 4
	deadReasonLen = 6
	deadAttempts  = 8
	deadFirst     = 12
	deadAt        = 20
	deadFixed     = 28
)

// encode returns the record's bytes, and data behind them.
func (d *deadRecord) encode(data []byte) []byte {
	var flags byte
	if d.ordered {
		flags = flagOrdered
	}
	// a character may be cut
	reason := strings.ToValidUTF8(d.reason[:min(len(d.reason), maxReason)], "")
	b := make([]byte, 0, deadFixed+len(d.lane)+len(d.id)+len(reason)+len(data))
	b = append(b, recordVersion, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(len(d.lane)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(d.id)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(reason)))
	b = binary.BigEndian.AppendUint32(b, d.attempts)
	b = binary.BigEndian.AppendUint64(b, uint64(d.first))
	b = binary.BigEndian.AppendUint64(b, uint64(d.at))
	b = append(b, d.lane...)
	b = append(b, d.id...)
	b = append(b, reason...)
	return append(b, data...)
}

// decodeDead reads what encode wrote.
func decodeDead(b []byte) (d deadRecord, data []byte, err error) {
	if err := checkVersion(b); err != nil {
		return d, nil, err
	}
	if len(b) < deadFixed {
		return d, nil, errShort
	}
	lane := deadFixed + int(binary.BigEndian.Uint16(b[deadLaneLen:]))
	id := lane + int(binary.BigEndian.Uint16(b[deadIDLen:]))
	reason := id + int(binary.BigEndian.Uint16(b[deadReasonLen:]))
	if len(b) < reason {
		return d, nil, errShort
	}
	return deadRecord{
		lane:     string(b[deadFixed:lane]),
		id:       string(b[lane:id]),
		reason:   string(b[id:reason]),
		ordered:  b[deadFlags]&flagOrdered != 0,
		attempts: binary.BigEndian.Uint32(b[deadAttempts:]),
		first:    int64(binary.BigEndian.Uint64(b[deadFirst:])),
		at:       int64(binary.BigEndian.Uint64(b[deadAt:])),
	}, b[reason:], nil
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
