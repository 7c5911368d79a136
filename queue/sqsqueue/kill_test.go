package sqsqueue

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/subprocess"
	"github.com/pushhooks/webhook/internal/testsqs"
)

// workerEnv makes the test binary a worker of the queue that it names: "URL name".
const workerEnv = "SQSQUEUE_TEST_WORKER"

const workerBatch = 10

func TestMain(m *testing.M) {
	if spec := os.Getenv(workerEnv); spec != "" {
		if err := work(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// work delivers jobs by printing their ids, and acks them.
func work(spec string) error {
	server, name, _ := strings.Cut(spec, " ")
	opts := testOptions()
	opts.Name = name
	ctx := context.Background()
	q, err := open(ctx, testsqs.Client(server), opts)
	if err != nil {
		return err
	}
	for {
		leases, err := q.Receive(ctx, all(workerBatch))
		if err != nil {
			return err
		}
		for _, l := range leases {
			if _, err := fmt.Println(l.ID); err != nil {
				return err
			}
		}
		if err := q.Ack(ctx, leases); err != nil {
			return err
		}
	}
}

// startWorker runs a worker until ctx ends, and passes on what it delivers.
func startWorker(ctx context.Context, t *testing.T, spec string, delivered chan<- string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), workerEnv+"="+spec)
	cmd.Stderr = os.Stderr
	subprocess.EndWithParent(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			delivered <- lines.Text()
		}
		_ = cmd.Wait()
		delivered <- ""
	}()
	return cmd
}

func TestFault32KilledWorkersLoseNothing(t *testing.T) {
	t.Parallel()
	const count, kills = 3000, 20
	server := testsqs.Start(t)
	opts := testOptions()
	q := openTest(t, testsqs.Client(server), opts)
	enqueue(t, q, numbered(count)...)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	delivered := make(chan string, count)
	got, copies, killed := make(map[string]bool), 0, 0
	worker := startWorker(ctx, t, server+" "+opts.Name, delivered)
	for sinceKill := 0; len(got) < count; {
		id := <-delivered
		if id == "" { // it ended
			if ctx.Err() != nil {
				t.Fatalf("%d of %d jobs were delivered in time", len(got), count)
			}
			worker, sinceKill = startWorker(ctx, t, server+" "+opts.Name, delivered), 0
			continue
		}
		if got[id] {
			copies++
		}
		got[id] = true
		if sinceKill++; killed < kills && sinceKill == count/kills/2 {
			killed++
			if err := worker.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	cancel()
	for id := range delivered {
		if id == "" {
			break
		}
	}
	if killed < kills || copies > killed*workerBatch {
		t.Errorf("%d workers were killed and %d jobs delivered twice; want %d and at most %d", killed, copies, kills, killed*workerBatch)
	}
}
