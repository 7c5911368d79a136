package testlambda

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel kill the child when this process is killed.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
