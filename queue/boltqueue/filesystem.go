package boltqueue

import (
	"errors"
	"log/slog"
	"os"
	"runtime"
	"syscall"
)

// syncDir has the names in a directory outlive a loss of power.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // it was only read
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// warnNetwork warns if a file is on a network file system.
func warnNetwork(log *slog.Logger, path string, filesystem int64) {
	if kind := networkKind(filesystem); kind != "" {
		log.Warn("boltqueue: the file is on a network file system, where locks and syncs may not hold; "+
			"a crash of either side may damage or lose it", "path", path, "filesystem", kind)
	}
}

// networkKind returns the name of a network file system by the number that statfs has for it, or
// "".
func networkKind(magic int64) string {
	switch uint32(magic) {
	case 0x6969:
		return "NFS"
	case 0x517B, 0xFF534D42, 0xFE534D42:
		return "SMB"
	case 0x5346414F, 0x6B414653:
		return "AFS"
	case 0x01021997:
		return "9P"
	case 0x00C36400:
		return "Ceph"
	case 0x0BD00BD0:
		return "Lustre"
	case 0x65735546:
		return "FUSE"
	}
	return ""
}
