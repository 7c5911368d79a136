// Package browsertest tests the status page in a real browser.
package browsertest

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	stop()
	os.Exit(code)
}
