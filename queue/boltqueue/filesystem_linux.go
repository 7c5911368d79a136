package boltqueue

import "syscall"

// filesystem returns the number of a directory's file system, or 0.
func filesystem(dir string) int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0
	}
	return int64(s.Type) //nolint:unconvert // it is shorter on some platforms
}
