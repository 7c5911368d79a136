package boltqueue

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestOpenSyncsTheDirectoryOfItsFile(t *testing.T) {
	t.Parallel()
	path, synced := file(t), ""
	open(t, path, Options{syncDir: func(dir string) error {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("the file is not there before its directory is synced: %v", err)
		}
		synced = dir
		return syncDir(dir)
	}})
	if synced != filepath.Dir(path) {
		t.Errorf("it synced %q, want %q", synced, filepath.Dir(path))
	}
}

func TestOpenFailsIfTheDirectoryCannotBeSynced(t *testing.T) {
	t.Parallel()
	path := file(t)
	_, err := Open(path, Options{syncDir: func(string) error { return errors.New("input/output error") }})
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "directory cannot be synced") {
		t.Errorf("the error: %v", err)
	}
	open(t, path, Options{}) // its lock is free
	if err := syncDir(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a directory that is missing: %v", err)
	}
}

func TestOpenNamesAPathWhereItCannotMakeAFile(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"/sys", "/proc"} { // nobody can make files there
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		refused(t, filepath.Join(dir, "queue.db"), "open "+dir)
	}
}

func TestOpenRefusesWhatIsNoRegularFile(t *testing.T) {
	t.Parallel()
	path := file(t)
	must(t, syscall.Mkfifo(path, 0o600))
	refused(t, path, "is no regular file")
	refused(t, os.DevNull, "is no regular file")
}

func TestNetworkFileSystemsAreWarnedOf(t *testing.T) {
	t.Parallel()
	for magic, want := range map[int64]string{
		0x6969: "NFS", 0xFF534D42: "SMB", -0xACB2BE: "SMB", 0x01021997: "9P", 0x65735546: "FUSE",
		0xEF53: "", 0x01021994: "", 0: "", // ext4, tmpfs, unknown
	} {
		if got := networkKind(magic); got != want {
			t.Errorf("%#x is %q, want %q", magic, got, want)
		}
		var lines bytes.Buffer
		warnNetwork(slog.New(slog.NewTextHandler(&lines, nil)), "/mnt/queue.db", magic)
		if s := lines.String(); (s != "") != (want != "") || want != "" && (!strings.Contains(s, "path=/mnt/queue.db") || !strings.Contains(s, want)) {
			t.Errorf("%#x is logged as %q", magic, s)
		}
	}
}
