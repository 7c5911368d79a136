package dispatch_test

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(starvedEnv) != "" {
		os.Exit(runStarved())
	}
	log.SetOutput(&standardLog)
	// Package net's look-ups go on until their own time is over when their context has ended.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("net.(*Resolver).lookupIPAddr.func2"),
		goleak.IgnoreAnyFunction("net.(*Resolver).goLookupIPCNAMEOrder"),
		goleak.IgnoreAnyFunction("net.(*Resolver).tryOneName"),
		goleak.Cleanup(func(code int) {
			if text := standardLog.String(); text != "" {
				fmt.Printf("FAIL: the standard logger was used:\n%s", text)
				code = max(code, 1)
			}
			os.Exit(code)
		}))
}

// standardLog is where the standard logger writes: nothing of a receiver's may come here.
var standardLog lockedBuffer

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
