package boltqueue

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/subprocess"
)

// The kill tests run this test binary again as a child, which these variables tell what to do.
const (
	childTask = "BOLTQUEUE_TEST_TASK"
	childFile = "BOLTQUEUE_TEST_FILE"
)

// childBatch is how many jobs a working child attempts at a time.
const childBatch = 20

// childCommand is a child that ends with this process at the latest.
func childCommand(task, path string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childTask+"="+task, childFile+"="+path)
	subprocess.EndWithParent(cmd)
	return cmd
}

// child starts a child, shows its lines to f until that is false, kills it, and shows f what it
// wrote until it died.
func child(t *testing.T, task, path string, f func(line string) bool) {
	t.Helper()
	cmd := childCommand(task, path)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "error") {
			t.Fatal(lines.Text())
		}
		if !f(lines.Text()) {
			must(t, cmd.Process.Kill())
		}
	}
	cmd.Wait() //nolint:errcheck // it was killed
}

// runChild does a child's work, until it is killed. It is false in the parent.
func runChild() bool {
	task, path := os.Getenv(childTask), os.Getenv(childFile)
	if task == "" {
		return false
	}
	if how, full := strings.CutPrefix(task, "full "); full {
		if err := fillUntilFull(how, path); err != nil {
			fmt.Println("error", err)
			return true
		}
		fmt.Println("ok")
		return true
	}
	q, err := Open(path, Options{})
	if err != nil {
		fmt.Println("error", err)
		return true
	}
	if task == "work" {
		workUntilKilled(q)
	} else {
		enqueueUntilKilled(q)
	}
	return true
}

// enqueueUntilKilled enqueues jobs and prints the first name of each batch that was taken.
func enqueueUntilKilled(q *Queue) {
	for worker := range 4 {
		go func() {
			for n := 0; ; n++ {
				batch := numbered(fmt.Sprintf("%d-%d-%d", os.Getpid(), worker, n), fmt.Sprint("lane", worker), 5)
				if err := q.Enqueue(context.Background(), batch); err == nil {
					fmt.Printf("%s\n", batch[0].ID)
				}
			}
		}()
	}
	select {}
}

// workUntilKilled receives jobs, delivers them by printing their names, and acks them. It returns
// if there are none, since a busy machine may kill it late.
func workUntilKilled(q *Queue) {
	for {
		soon, cancel := context.WithTimeout(context.Background(), time.Second)
		leases, err := q.Receive(soon, all(childBatch))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return
		}
		for _, l := range leases {
			fmt.Println(l.ID)
		}
		if err == nil {
			err = q.Ack(context.Background(), leases)
		}
		if err != nil {
			fmt.Println("error", err)
		}
	}
}
