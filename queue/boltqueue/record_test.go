package boltqueue

import (
	"bytes"
	"strings"
	"testing"
)

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	r := record{id: "id~1", lane: "app/ä\n", ordered: true, span: 3, enqueued: 11}
	b := append(r.append(nil), "data"...)
	if got, data, err := decodeRecord(b); err != nil || got != r || string(data) != "data" || r.len() != len(b)-len(data) {
		t.Errorf("record came back as %+v with %q, %v; want %+v", got, data, err, r)
	}
	p := progress{attempts: 4, first: 5, due: 6, delay: 7, returned: true}
	if got := decodeProgress(p.encode()); got != p {
		t.Errorf("progress came back as %+v, want %+v", got, p)
	}
	d := deadRecord{id: "id", lane: "lane", reason: "gone: 410", ordered: true, attempts: 1, first: 2, at: 3}
	if got, data, err := decodeDead(d.encode([]byte("data"))); err != nil || got != d || string(data) != "data" {
		t.Errorf("dead record came back as %+v with %q, %v; want %+v", got, data, err, d)
	}
}

func TestALongReasonIsCut(t *testing.T) {
	t.Parallel()
	d := deadRecord{id: "id", lane: "lane", reason: strings.Repeat("x", 5000)}
	if got, _, err := decodeDead(d.encode(nil)); err != nil || len(got.reason) != maxReason {
		t.Errorf("reason has %d bytes, %v", len(got.reason), err)
	}
}

// FuzzDecodeRecord checks that no bytes make the decoder panic, and that what it accepts is encoded
// the same way.
func FuzzDecodeRecord(f *testing.F) {
	r := record{id: "id", lane: "lane", ordered: true, span: seqSpan}
	f.Add(append(r.append(nil), "data"...))
	f.Add([]byte{recordVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, data, err := decodeRecord(b)
		if err != nil {
			return
		}
		again, same, err := decodeRecord(append(r.append(nil), data...))
		if err != nil || again != r || !bytes.Equal(same, data) {
			t.Errorf("%+v was encoded and read as %+v, %v", r, again, err)
		}
	})
}

// FuzzDecodeDead does the same for dead letters.
func FuzzDecodeDead(f *testing.F) {
	d := deadRecord{id: "id", lane: "lane", reason: "gone", ordered: true}
	f.Add(d.encode([]byte("data")))
	f.Add([]byte{recordVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, data, err := decodeDead(b)
		if err != nil || len(d.reason) > maxReason {
			return
		}
		d.reason = strings.ToValidUTF8(d.reason, "") // as it is written
		again, same, err := decodeDead(d.encode(data))
		if err != nil || again != d || !bytes.Equal(same, data) {
			t.Errorf("%+v was encoded and read as %+v, %v", d, again, err)
		}
	})
}
