package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
)

// servers starts the servers of the tests, which ask for a testing.TB, outside of a test. What they
// report ends the measurement: stop returns it as an error.
type servers struct {
	testing.TB // nil; the methods below are those that the servers call
	closers    []func()
	failed     []error
}

// stop stops the servers, and turns what one reported into an error.
func (s *servers) stop(err *error) {
	if failed := recover(); failed != nil {
		*err = errors.Join(*err, fmt.Errorf("%v", failed))
	}
	for _, f := range slices.Backward(s.closers) {
		f()
	}
	*err = errors.Join(append([]error{*err}, s.failed...)...)
}

// check keeps the error of what closes a server.
func (s *servers) check(err error) {
	if err != nil {
		s.failed = append(s.failed, err)
	}
}

// checkClosed is check for what Close of an emitter returns that need not have delivered
// everything.
func (s *servers) checkClosed(err error) { s.check(expectUndelivered(err)) }

// expectUndelivered removes the error by which Close tells that deliveries are left undone.
func expectUndelivered(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (s *servers) Helper()                      {}
func (s *servers) Log(...any)                   {}
func (s *servers) Logf(string, ...any)          {}
func (s *servers) Cleanup(f func())             { s.closers = append(s.closers, f) }
func (s *servers) Context() context.Context     { return context.Background() }
func (s *servers) Fatal(args ...any)            { panic(fmt.Sprint(args...)) }
func (s *servers) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
func (s *servers) Error(args ...any)            { panic(fmt.Sprint(args...)) }
func (s *servers) Errorf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
func (s *servers) Skip(args ...any)             { panic(fmt.Sprint(args...)) }

func (s *servers) TempDir() string {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		panic(err)
	}
	s.Cleanup(func() { s.check(os.RemoveAll(dir)) })
	return dir
}

// withRedis calls f with the address of a Redis server of its own.
func withRedis(f func(addr string) error) (err error) {
	s := &servers{}
	defer s.stop(&err)
	return f(startStore(redisStore, s).addr)
}
