//go:build !linux

package testlambda

import "os/exec"

// endWithParent does nothing where the kernel can't help: a function without its Runtime API ends by itself.
func endWithParent(*exec.Cmd) {}
