//go:build !linux

package dispatch_test

import "syscall"

// endWithParent can't be had here.
func endWithParent() *syscall.SysProcAttr { return nil }
