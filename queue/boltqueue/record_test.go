package boltqueue

import (
	"bytes"
	"strings"
	"testing"
)

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	r := record{
		id: "id~1", lane: "app/ä\n", ordered: true, span: 3, size: 7, enqueued: 11,
		progress: progress{attempts: 4, first: 5, due: 6},
	}
	if got, err := decodeRecord(r.append(nil)); err != nil || got != r {
		t.Errorf("record came back as %+v, %v; want %+v", got, err, r)
	}
	d := deadRecord{id: "id", lane: "lane", reason: "gone: 410", ordered: true, attempts: 1, first: 2, at: 3, data: 4}
	if got, err := decodeDead(d.encode()); err != nil || got != d {
		t.Errorf("dead record came back as %+v, %v; want %+v", got, err, d)
	}
}

func TestPatchChangesTheProgressAlone(t *testing.T) {
	t.Parallel()
	r := record{id: "id", lane: "lane", span: 3, size: 7, enqueued: 11}
	old := r.append(nil)
	before := bytes.Clone(old)
	r.progress = progress{attempts: 1, first: 2, due: 3}
	if got, err := decodeRecord(patched(old, r.progress)); err != nil || got != r {
		t.Errorf("patched record is %+v, %v; want %+v", got, err, r)
	}
	if !bytes.Equal(old, before) {
		t.Error("the old record, which is the file's memory, was written to")
	}
}

func TestALongReasonIsCut(t *testing.T) {
	t.Parallel()
	d := deadRecord{id: "id", lane: "lane", reason: strings.Repeat("x", 5000)}
	if got, err := decodeDead(d.encode()); err != nil || len(got.reason) != maxReason {
		t.Errorf("reason has %d bytes, %v", len(got.reason), err)
	}
}

// FuzzDecodeRecord checks that no bytes make the decoder panic, and that what it accepts is encoded
// the same way.
func FuzzDecodeRecord(f *testing.F) {
	r := record{id: "id", lane: "lane", ordered: true, span: seqSpan, size: 1}
	f.Add(r.append(nil))
	f.Add([]byte{recordVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		again, err := decodeRecord(r.append(nil))
		if err != nil || again != r {
			t.Errorf("%+v was encoded and read as %+v, %v", r, again, err)
		}
	})
}

// FuzzDecodeDead does the same for dead letters.
func FuzzDecodeDead(f *testing.F) {
	d := deadRecord{id: "id", lane: "lane", reason: "gone", ordered: true}
	f.Add(d.encode())
	f.Add([]byte{recordVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := decodeDead(b)
		if err != nil || len(d.reason) > maxReason {
			return
		}
		again, err := decodeDead(d.encode())
		if err != nil || again != d {
			t.Errorf("%+v was encoded and read as %+v, %v", d, again, err)
		}
	})
}
