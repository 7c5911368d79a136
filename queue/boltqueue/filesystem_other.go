//go:build !linux

package boltqueue

// filesystem returns 0: what file system a directory is on is not known here.
func filesystem(string) int64 { return 0 }
