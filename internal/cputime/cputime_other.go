//go:build !unix

// Package cputime tells benchmarks what CPU time their process has used.
package cputime

import (
	"errors"
	"time"
)

// Used returns [errors.ErrUnsupported].
func Used() (time.Duration, error) { return 0, errors.ErrUnsupported }
