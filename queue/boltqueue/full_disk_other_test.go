//go:build !linux

package boltqueue

import "errors"

// fillUntilFull is a child's task in a test that needs Linux.
func fillUntilFull(string, string) error { return errors.ErrUnsupported }
