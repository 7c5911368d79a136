package boltqueue

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pushhooks/webhook/queue"
)

// inFile returns how many keys a bucket has, and how many settled jobs the file still holds.
func inFile(t *testing.T, q *Queue, bucket string) (keys, settled int) {
	t.Helper()
	must(t, q.view(func(tx *bbolt.Tx) error {
		settled = len(tx.Bucket([]byte(metaBucket)).Get([]byte(settledKey))) / 8
		return tx.Bucket([]byte(bucket)).ForEach(func(_, _ []byte) error {
			keys++
			return nil
		})
	}))
	return keys, settled
}

func TestSettledJobsAreDeletedTogether(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	enqueue(t, q, numbered("j", "a", 3*maxSettled)...)
	left := receive(t, q, 3*maxSettled)
	for ; len(left) > 0; left = left[1:] {
		must(t, q.Ack(t.Context(), left[:1]))
		jobs, settled := inFile(t, q, jobsBucket)
		if jobs != len(left)-1+settled || settled > maxSettled {
			t.Fatalf("%d jobs are left, and the file has %d, with %d settled ones", len(left)-1, jobs, settled)
		}
		if len(left) == 3*maxSettled-maxSettled/2 && settled == 0 {
			t.Fatal("each Ack deletes its job")
		}
	}
}

func TestWhatWasSettledIsGoneAfterACrash(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	enqueue(t, q, numbered("j", "a", 10)...)
	l := receive(t, q, 10)
	must(t, q.Nack(t.Context(), []queue.Nack{{Lease: l[1], Counted: true}}))
	l[1] = receive(t, q, 1)[0]
	must(t, q.Ack(t.Context(), l[:4]))
	if _, settled := inFile(t, q, jobsBucket); settled != 4 {
		t.Fatalf("the file has %d settled jobs, want 4", settled)
	}
	for range 2 {
		q = open(t, crashed(t, q), Options{})
		if jobs, settled := inFile(t, q, jobsBucket); jobs != 6 || settled != 0 {
			t.Errorf("the file has %d jobs, with %d settled ones; want 6 and 0", jobs, settled)
		}
		enqueue(t, q, numbered("j", "a", 10)...) // it knows all of them
	}
	expect(t, receive(t, q, 20), "j-4 j-5 j-6 j-7 j-8 j-9")
}

func TestNoProgressIsLeftOfJobsThatAreGone(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	enqueue(t, q, numbered("j", "a", 4)...)
	for _, l := range receive(t, q, 4) {
		must(t, q.Nack(t.Context(), []queue.Nack{{Lease: l, Counted: true}}))
	}
	if n, _ := inFile(t, q, progressBucket); n != 4 {
		t.Fatalf("%d jobs have progress, want 4", n)
	}
	l := receive(t, q, 4)
	must(t, q.Ack(t.Context(), l[:2]))
	must(t, q.DeadLetter(t.Context(), l[2], "gone"))
	must(t, q.Replace(t.Context(), l[3], nil))
	q = open(t, crashed(t, q), Options{})
	for _, bucket := range []string{jobsBucket, progressBucket} {
		if n, _ := inFile(t, q, bucket); n != 0 {
			t.Errorf("bucket %s has %d keys, want none", bucket, n)
		}
	}
}

// A full disk has room again after a failed write at the latest, whatever is still to be deleted.
func TestAFailedWriteHasTheNextOneDeleteWhatIsSettled(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	enqueue(t, q, numbered("j", "a", 6)...)
	l := receive(t, q, 6)
	must(t, q.Ack(t.Context(), l[:3]))
	mend := breakDisk(t, q)
	if err := q.Ack(t.Context(), l[3:]); err == nil {
		t.Error("Ack succeeded without a disk")
	}
	mend()
	must(t, q.Ack(t.Context(), l[5:]))
	if jobs, settled := inFile(t, q, jobsBucket); jobs != 2 || settled != 0 {
		t.Errorf("the file has %d jobs, with %d settled ones; want 2 and 0", jobs, settled)
	}
	must(t, q.Ack(t.Context(), l[3:5]))
	enqueue(t, q, numbered("j", "a", 6)...)
	expect(t, receive(t, q, 10), "")
}

// Jobs larger than the memory for a group's values, and as many of all sizes as use it again.
func TestJobsOfAllSizesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	path := file(t)
	q := open(t, path, Options{})
	want := make(map[string]string)
	for round := range 4 {
		var jobs []queue.Job
		for i, size := range []int{0, 1, 300, minValues - 1, minValues + 1, maxValues / 2, maxValues + 1, 14_000, 14_000} {
			j := job(fmt.Sprintf("j-%d-%d", round, i), "a")
			j.Data = []byte(strings.Repeat(string(rune('a'+i+round)), size))
			want[j.ID] = string(j.Data)
			jobs = append(jobs, j)
		}
		enqueue(t, q, jobs...)
	}
	must(t, q.Close())
	for _, l := range receive(t, open(t, path, Options{}), 100) {
		if data, ok := want[l.ID]; !ok || string(l.Data) != data {
			t.Errorf("%s came back with %d bytes, want %d", l.ID, len(l.Data), len(data))
		}
		delete(want, l.ID)
	}
	if len(want) > 0 {
		t.Errorf("%d jobs did not come back", len(want))
	}
}

// A dead letter's Data is beside its reason, and survives what became of its job's place.
func TestADeadLetterKeepsItsData(t *testing.T) {
	t.Parallel()
	q := open(t, file(t), Options{})
	enqueue(t, q, numbered("j", "a", 2)...)
	l := receive(t, q, 2)
	must(t, q.DeadLetter(t.Context(), l[0], "gone: 410"))
	must(t, q.Ack(t.Context(), l[1:]))
	for range 2 {
		list, err := q.DeadLetters(t.Context(), "", 10)
		must(t, err)
		if len(list) != 1 || string(list[0].Data) != "data of j-0" || list[0].Reason != "gone: 410" || time.Since(list[0].At) > time.Hour {
			t.Errorf("dead letters: %+v", list)
		}
		q = open(t, crashed(t, q), Options{})
	}
}
