package testredis

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

//go:embed testdata/clock.c
var clockSource []byte

// ShiftedClock returns Options for a server whose clock is off by d, in whole seconds. It needs
// Linux and a C compiler; without them it skips the test, or fails it if WEBHOOK_TEST_SERVERS is
// "require".
func ShiftedClock(t testing.TB, d time.Duration) Options {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil || runtime.GOOS != "linux" {
		const missing = "this test needs Linux and a C compiler, cc, to shift the clock of redis-server"
		if os.Getenv(Require) == "require" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	dir := t.TempDir()
	source, library := filepath.Join(dir, "clock.c"), filepath.Join(dir, "clock.so")
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	return Options{Env: []string{"LD_PRELOAD=" + library, fmt.Sprintf("CLOCK_SHIFT=%d", int(d.Seconds()))}}
}
