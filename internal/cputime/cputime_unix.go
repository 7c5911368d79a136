//go:build unix

// Package cputime tells benchmarks what CPU time their process has used.
package cputime

import (
	"syscall"
	"time"
)

// Used returns the CPU time that this process has used so far.
func Used() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
