//go:build unix

package subprocess

import (
	"os"
	"syscall"
)

// Pause stops the process as if its machine hung: its connections stay open, and nothing answers.
func Pause(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func Resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }
