package dispatch_test

import "syscall"

// endWithParent has a process end when this one does.
func endWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
