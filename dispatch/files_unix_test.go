//go:build unix

package dispatch_test

import "syscall"

const mayLimitFiles = true

// limitFiles lets this process have 100 files open, sockets among them.
func limitFiles() {
	limit := syscall.Rlimit{Cur: 100, Max: 100}
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
