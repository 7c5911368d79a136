package boltqueue

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// refused checks that path cannot be opened, with an error that names it and says why.
func refused(t *testing.T, path, why string) {
	t.Helper()
	q, err := Open(path, Options{})
	if err == nil {
		q.Close()
		t.Fatalf("%s was opened", path)
	}
	if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), why) {
		t.Errorf("error is %q; want the path and %q in it", err, why)
	}
}

func TestOpenRefusesWhatIsNotAQueue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	refused(t, "", "empty")
	refused(t, dir, "is a directory")
	refused(t, filepath.Join(dir, "missing", "queue.db"), "directory must exist")
	refused(t, filepath.Join(write("plain", "x"), "queue.db"), "not a directory")
	refused(t, write("short", "hello"), "not a file of this package")
	refused(t, write("long", strings.Repeat("hello, world\n", 10_000)), "not a file of this package")
}

// edit changes a queue's file behind its back.
func edit(t *testing.T, path string, f func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, boltOptions())
	must(t, err)
	must(t, db.Update(f))
	must(t, db.Close())
}

func TestOpenLeavesAnotherProgramsDatabaseAlone(t *testing.T) {
	t.Parallel()
	path := file(t)
	edit(t, path, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("accounts"))
		return err
	})
	before, err := os.ReadFile(path)
	must(t, err)
	refused(t, path, "not a file of this package")
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Error("the file was changed")
	}
}

func TestOpenRefusesAnotherFormatAndLeavesTheFileAlone(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"2": "its format is 2, of an earlier version of this package; this one reads 3",
		"4": "its format is 4, of a later version of this package; this one reads 3",
	} {
		path := file(t)
		q := open(t, path, Options{})
		enqueue(t, q, job("j", "a"))
		must(t, q.Close())
		edit(t, path, func(tx *bbolt.Tx) error {
			return tx.Bucket([]byte(metaBucket)).Put([]byte(formatKey), []byte(version))
		})
		before, err := os.ReadFile(path)
		must(t, err)
		refused(t, path, want)
		if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
			t.Errorf("a file of format %s was changed", version)
		}
	}
}

func TestOpenRefusesADamagedFile(t *testing.T) {
	t.Parallel()
	path := file(t)
	q := open(t, path, Options{})
	enqueue(t, q, numbered("j", "a", 5000)...)
	must(t, q.Close())
	whole, err := os.ReadFile(path)
	must(t, err)

	cut := path + "-cut"
	must(t, os.WriteFile(cut, whole[:40_000], 0o600))
	refused(t, cut, "damaged")

	zeroed := path + "-zeroed"
	clear(whole[3*4096:])
	must(t, os.WriteFile(zeroed, whole, 0o600))
	refused(t, zeroed, "damaged")
	refused(t, zeroed, "damaged") // and not "in use", by what the first one left behind
}

func TestOpenRefusesNegativeOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"Lease": {Lease: -1}, "MaxJobs": {MaxJobs: -1}, "MaxBytes": {MaxBytes: -1},
		"MaxDead": {MaxDead: -1}, "MaxDeadAge": {MaxDeadAge: -1}, "MaxDeadBytes": {MaxDeadBytes: -1}, "MaxMarkers": {MaxMarkers: -1},
	} {
		if _, err := Open(file(t), o); err == nil || !strings.Contains(err.Error(), "Options."+name+" is -1") {
			t.Errorf("%s of -1: %v", name, err)
		}
	}
}

func TestOpenRefusesOptionsNearTheLargestNumber(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"Lease": {Lease: math.MaxInt64}, "MaxJobs": {MaxJobs: math.MaxInt}, "MaxBytes": {MaxBytes: math.MaxInt64},
		"MaxDead": {MaxDead: math.MaxInt}, "MaxDeadAge": {MaxDeadAge: math.MaxInt64}, "MaxDeadBytes": {MaxDeadBytes: math.MaxInt64},
		"MaxMarkers": {MaxMarkers: math.MaxInt},
	} {
		if _, err := Open(file(t), o); err == nil || !strings.Contains(err.Error(), "Options."+name+" is ") || !strings.Contains(err.Error(), "at most") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASecondOpenIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	path := file(t)
	open(t, path, Options{})
	start := time.Now()
	refused(t, path, "in use")
	if _, err := Open(path, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("error is %v, want ErrInUse", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestASecondProcessIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	path := file(t)
	q := open(t, path, Options{})
	out, err := childCommand("work", path).Output()
	must(t, err)
	if !strings.Contains(string(out), path) || !strings.Contains(string(out), "in use by another process") {
		t.Errorf("the second process says %q", out)
	}
	enqueue(t, q, job("j", "a"))
	expect(t, receive(t, q, 1), "j")
}

func TestTheFileIsReadableByItsOwnerAlone(t *testing.T) {
	t.Parallel()
	path := file(t)
	open(t, path, Options{})
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
}

func TestFault34ARecordThatCannotBeReadIsADeadLetterOnce(t *testing.T) {
	t.Parallel()
	path := file(t)
	q := open(t, path, Options{})
	enqueue(t, q, jobs("a", "good", "later", "short")...)
	must(t, q.Close())
	edit(t, path, func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(jobsBucket))
		return errors.Join(
			b.Put(key(2<<seqSpan), []byte{recordVersion + 1, 'x', 'y'}),
			b.Put(key(3<<seqSpan), []byte{recordVersion}),
		)
	})

	for range 2 {
		q = open(t, path, Options{})
		dead, err := q.DeadLetters(t.Context(), "", 10)
		must(t, err)
		if len(dead) != 2 || string(dead[0].Data[1:]) != "xy" ||
			!strings.HasPrefix(dead[0].Reason, "unreadable: record has version 4") || !strings.HasPrefix(dead[1].Reason, "unreadable: ") {
			t.Fatalf("dead letters: %+v", dead)
		}
		l := receive(t, q, 10)
		expect(t, l, "good")
		must(t, q.Release(t.Context(), l))
		must(t, q.Close())
	}
}
