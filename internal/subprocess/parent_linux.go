package subprocess

import (
	"os/exec"
	"syscall"
)

// EndWithParent has the kernel kill the child when this process is killed. Call it before cmd
// starts.
func EndWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
