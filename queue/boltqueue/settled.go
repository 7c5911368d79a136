package boltqueue

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// settledJob is a job that has left the queue and is still in the file. To delete a job at once,
// each commit would write again the pages that it shares with its neighbors, which are settled soon
// after it: so a commit writes the numbers of what it settles, and one of many deletes whole pages.
type settledJob struct {
	marker
	seq  uint64
	size int64
}

// How many settled jobs may be left in the file, and how many bytes of their Data. The numbers of
// so many fit into the page of the buckets, which every commit writes. Large jobs share no pages
// with many others, and their room is better used again soon.
const (
	maxSettled      = 96
	maxSettledBytes = 64 << 10
)

// settle notes that a job leaves.
func (t *tables) settle(e *entry, id string) {
	t.settled = append(t.settled, settledJob{t.x.marker(id), e.Value.seq, e.Size()})
}

// writeSettled writes what has left since the last time that it was deleted, or deletes it.
func (t *tables) writeSettled() error {
	if len(t.settled) == 0 && !t.x.purge {
		return nil
	}
	t.settled = slices.Concat(t.x.settled, t.settled)
	if !t.x.purge && !t.manySettled() {
		var numbers []byte
		for i := range t.settled {
			numbers = binary.BigEndian.AppendUint64(numbers, t.settled[i].seq)
		}
		return t.meta().Put([]byte(settledKey), numbers)
	}
	t.purged = true
	// as the pages are
	slices.SortFunc(t.settled, func(a, b settledJob) int { return cmp.Compare(a.seq, b.seq) })
	for i := range t.settled {
		if err := t.deleteJob(t.settled[i].seq); err != nil {
			return err
		}
		t.marked = append(t.marked, t.settled[i].marker)
	}
	return t.meta().Delete([]byte(settledKey))
}

// manySettled reports whether it is time to delete what has left. The IDs of what is left in the
// file count for MaxMarkers, so it is a small part of those.
func (t *tables) manySettled() bool {
	size := int64(0)
	for i := range t.settled {
		size += t.settled[i].size
	}
	return len(t.settled) > min(maxSettled, t.opts.MaxMarkers/16) || size > maxSettledBytes
}

// applySettled notes what has left. After an error, which may be that of a full disk, the next
// commit makes room.
func (t *tables) applySettled(err error) {
	x := t.x
	switch {
	case err != nil:
		x.purge = len(x.settled) > 0
	case t.purged:
		x.settled, x.purge = nil, false
	case len(t.settled) > 0:
		x.settled = t.settled
		for i := range t.settled {
			x.known[t.settled[i].hash] = nil
		}
	}
}

// loadSettled deletes the jobs that had left when the process ended.
func (t *tables) loadSettled() error {
	numbers := t.meta().Get([]byte(settledKey))
	for ; len(numbers) >= 8; numbers = numbers[8:] {
		seq := binary.BigEndian.Uint64(numbers)
		_, id, _, err := splitRecord(t.jobs().Get(key(seq)))
		if err == nil {
			t.marked = append(t.marked, t.x.marker(string(id)))
		}
		if err := t.deleteJob(seq); err != nil {
			return err
		}
	}
	if err := t.writeMarkers(); err != nil {
		return err
	}
	t.applyMarkers()
	t.marked = nil
	return t.meta().Delete([]byte(settledKey))
}
