package main

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// peakInterval is how often the anonymous memory of a process is looked at.
const peakInterval = 20 * time.Millisecond

// peakWatch notes the peak of a process's anonymous memory: of what is resident without what is
// mapped from files or shared, as /proc/PID/statm has it. The kernel keeps a peak of all that is
// resident only (VmHWM), in which a mapped file, such as that of the disk queue, would count.
type peakWatch struct {
	pid     int
	peak    int64
	stop    chan struct{}
	stopped sync.WaitGroup
}

// watchPeak begins to watch a process. Where there is no /proc, the peak is 0.
func watchPeak(pid int) *peakWatch {
	w := &peakWatch{pid: pid, stop: make(chan struct{})}
	w.stopped.Go(func() {
		tick := time.NewTicker(peakInterval)
		defer tick.Stop()
		for {
			w.peak = max(w.peak, anonymous(w.pid))
			select {
			case <-tick.C:
			case <-w.stop:
				return
			}
		}
	})
	return w
}

// end returns the peak, in bytes.
func (w *peakWatch) end() int64 {
	close(w.stop)
	w.stopped.Wait()
	return w.peak
}

// anonymous returns a process's resident anonymous memory in bytes, or 0 if it can't be told.
func anonymous(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, resident, shared int64
	if _, err := fmt.Sscan(string(text), &size, &resident, &shared); err != nil {
		return 0
	}
	return (resident - shared) * int64(os.Getpagesize())
}
