package boltqueue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// wholeFile returns a queue's file with something of everything in it, and how many bytes of it are
// used.
func wholeFile(t testing.TB) (b []byte, used int64) {
	t.Helper()
	path := file(t)
	q := open(t, path, Options{})
	for i := range 6 {
		enqueue(t, q, numbered(fmt.Sprint("j", i), fmt.Sprint("lane", i), 100)...)
	}
	big := job("big", "a")
	big.Data = bytes.Repeat([]byte("x"), 20_000)
	enqueue(t, q, big)
	l := receive(t, q, 300)
	must(t, q.Ack(t.Context(), l[:100]))
	must(t, q.DeadLetter(t.Context(), l[100], "gone"))
	must(t, q.DeadLetter(t.Context(), l[101], strings.Repeat("y", maxReason)))
	must(t, q.Nack(t.Context(), []queue.Nack{{Lease: l[102], Delay: time.Hour, Counted: true}}))
	must(t, q.SetLane(t.Context(), queue.LaneUpdate{Lane: "down", Health: queue.Failing, Hold: time.Minute, Reason: "status 500"}))
	must(t, q.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	m, err := readMeta(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	return b, m.pages * m.pageSize
}

func TestOpenRefusesAFileThatIsCutShortAnywhere(t *testing.T) {
	t.Parallel()
	whole, used := wholeFile(t)
	path := file(t)
	must(t, os.WriteFile(path, whole[:used], 0o600))
	for n := used - 1; n > 0; n-- {
		must(t, os.Truncate(path, n))
		q, err := Open(path, Options{})
		if err == nil {
			q.Close()
			t.Fatalf("%d of %d bytes were opened", n, used)
		}
		if !errors.Is(err, errDamaged) && (n >= pageHeader+4 || !errors.Is(err, errNotQueue)) || !strings.Contains(err.Error(), path) {
			t.Fatalf("%d of %d bytes: %v", n, used, err)
		}
		if n >= pageHeader+4 && !strings.Contains(err.Error(), "cut short") {
			t.Fatalf("%d of %d bytes: %v", n, used, err)
		}
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, whole[:1]) {
		t.Errorf("the file was changed: %v", err)
	}
}

// use does what an emitter does with a queue, whatever comes of it.
func use(q *Queue) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for i := range 3 {
		soon, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		l, err := q.Receive(soon, all(100))
		cancel()
		if err != nil || len(l) < 4 {
			break
		}
		_ = q.DeadLetter(ctx, l[0], "gone")
		_ = q.Nack(ctx, []queue.Nack{{Lease: l[1], Delay: time.Minute, Counted: true}})
		_ = q.Replace(ctx, l[2], numbered(fmt.Sprint("part", i), l[2].Lane, 2))
		_ = q.Ack(ctx, l[3:])
	}
	for i := range 3 {
		_ = q.Enqueue(ctx, numbered(fmt.Sprint("more", i), "more", 100))
	}
	_ = q.SetLane(ctx, queue.LaneUpdate{Lane: "down", Health: queue.Untried})
	letters, _ := q.DeadLetters(ctx, "", 10)
	for _, d := range letters {
		_, _ = q.Replay(ctx, []queue.Replayed{replayed(d.ID, d.Lane)})
	}
	_, _ = q.Stats(ctx)
	_, _ = q.Lanes(ctx, "", 10)
}

// damagedPages returns a copy of a file with some bytes changed in one page, often at its
// beginning, where the page tells what is in it.
func damagedPages(r *rand.Rand, whole []byte, page int64) []byte {
	b := bytes.Clone(whole)
	p := b[page*4096 : (page+1)*4096]
	for range 1 + r.IntN(4) {
		at := r.IntN(len(p))
		if r.IntN(2) == 0 {
			at = r.IntN(128)
		}
		p[at] = byte(r.Uint32())
	}
	if page < 2 && r.IntN(2) == 0 { // a meta page that looks whole
		sum := fnv.New64a()
		sum.Write(p[pageHeader : pageHeader+metaSum])
		native.PutUint64(p[pageHeader+metaSum:], sum.Sum64())
	}
	return b
}

// Whatever is damaged in the file of a queue that is closed, nothing ends the process, and a file
// that is refused stays as it is.
func TestDamagedPagesEndNoProcess(t *testing.T) {
	t.Parallel()
	whole, used := wholeFile(t)
	opened, refusals := 0, 0
	for seed := range uint64(rounds(t, 6)) {
		for page := range used / 4096 {
			r := rand.New(rand.NewPCG(seed, uint64(page)))
			damaged := damagedPages(r, whole, page)
			path := file(t)
			must(t, os.WriteFile(path, damaged, 0o600))
			q, err := Open(path, Options{})
			if err == nil {
				opened++
				use(q)
				_ = q.Close()
			} else {
				refusals++
				if !strings.Contains(err.Error(), path) {
					t.Errorf("the error does not name the file: %v", err)
				}
				if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, damaged) {
					t.Errorf("seed %d, page %d: the file was changed: %v", seed, page, err)
				}
			}
			must(t, os.Remove(path))
		}
	}
	if opened == 0 || refusals == 0 {
		t.Errorf("%d files were opened and %d refused", opened, refusals)
	}
}

// rounds is how often a test repeats what it does at random; BOLTQUEUE_TEST_ROUNDS sets it.
func rounds(t testing.TB, n int) int {
	if s := os.Getenv("BOLTQUEUE_TEST_ROUNDS"); s != "" {
		_, err := fmt.Sscan(s, &n)
		must(t, err)
	}
	return n
}

// Whatever is damaged in the file of a queue that is open, or cut off it, nothing ends the process.
func TestDamageWhileOpenEndsNoProcess(t *testing.T) {
	t.Parallel()
	whole, used := wholeFile(t)
	for seed := range uint64(rounds(t, 3)) {
		for page := range used / 4096 {
			r := rand.New(rand.NewPCG(seed, uint64(page)))
			path := file(t)
			must(t, os.WriteFile(path, whole, 0o600))
			q, err := Open(path, Options{})
			must(t, err)
			if r.IntN(4) == 0 {
				must(t, os.Truncate(path, r.Int64N(used)))
			} else {
				f, err := os.OpenFile(path, os.O_WRONLY, 0)
				must(t, err)
				_, err = f.Write(damagedPages(r, whole, page))
				must(t, errors.Join(err, f.Close()))
			}
			use(q)
			_ = q.Close()
			must(t, os.Remove(path))
		}
	}
}
