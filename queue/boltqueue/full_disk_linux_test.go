package boltqueue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// A full disk is an error of the call that names the file, and delivery goes on when there is room
// again: on a small file system of a child's own, and where files may not grow.
func TestAFullDiskIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"filesystem", "limit"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			cmd := childCommand("full "+how, filepath.Join(t.TempDir(), "queue.db"))
			if how == "filesystem" && os.Getuid() != 0 {
				cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
				cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
				cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
			}
			if how == "filesystem" {
				cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
			}
			out, err := cmd.CombinedOutput()
			if errors.Is(err, os.ErrPermission) || strings.Contains(string(out), "not permitted") {
				t.Skip("this user may not mount a file system, not even in a namespace of its own")
			}
			if err != nil || !strings.HasSuffix(string(out), "ok\n") {
				t.Fatalf("%v: %s", err, out)
			}
		})
	}
}

// fillDisk makes the disk of a file full, and returns how to make room again.
func fillDisk(how, path string) (makeRoom func() error, err error) {
	if how == "limit" {
		signal.Ignore(syscall.SIGXFSZ)
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		var old syscall.Rlimit
		err = syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old)
		full := syscall.Rlimit{Cur: uint64(info.Size()), Max: old.Max}
		return func() error { return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old) },
			errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full))
	}
	ballast := filepath.Join(filepath.Dir(path), "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		return nil, err
	}
	for size := 1 << 16; size > 0; {
		if n, err := f.Write(make([]byte, size)); err != nil && n == 0 {
			size /= 2
		}
	}
	return func() error { return os.Remove(ballast) }, f.Close()
}

// fillUntilFull is the child: it emits more than the disk has room for, and makes room.
func fillUntilFull(how, path string) error {
	if how == "filesystem" {
		if err := syscall.Mount("none", filepath.Dir(path), "tmpfs", 0, "size=8m"); err != nil {
			return err
		}
	}
	q, err := Open(path, Options{})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	delivered := make(map[string]int)
	em, err := webhook.New(webhook.Options{
		Queue: q, Logger: slog.New(slog.DiscardHandler),
		HTTP: dispatch.SenderFunc(func(_ context.Context, r *dispatch.Request) dispatch.Outcome {
			mu.Lock()
			defer mu.Unlock()
			delivered[string(r.Body)]++
			return dispatch.Outcome{Verdict: dispatch.Delivered, Status: 200}
		}),
		Apps: []webhook.App{{ID: "app", Key: "key", Secret: "secret", Webhooks: []webhook.Webhook{
			{URL: "http://127.0.0.1/", EventTypes: []webhook.EventType{webhook.TypeClientEvent}},
		}}},
		Batching: webhook.Batching{Disabled: true},
	})
	if err != nil {
		return err
	}
	makeRoom, err := fillDisk(how, path)
	if err != nil {
		return err
	}
	big := queue.Job{ID: "big", Lane: "none", Data: make([]byte, 1<<20)}
	if err := q.Enqueue(context.Background(), []queue.Job{big}); err == nil || !strings.Contains(err.Error(), path) {
		return fmt.Errorf("an Enqueue on the full disk: %w; want an error that names the file", err)
	}
	const events = 500
	for i := range events {
		e := webhook.ClientEvent("app", "private-c", webhook.ClientMessage{
			Name: fmt.Sprint("client-", i), Data: strings.Repeat("x", 4000), SocketID: "1.1",
		})
		if err := em.Emit(e); err != nil {
			return err
		}
	}
	soon, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := em.Flush(soon); err == nil {
		return errors.New("a full disk took everything")
	}
	if err := makeRoom(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := errors.Join(em.Drain(ctx), em.Shutdown(ctx), q.Close()); err != nil {
		return err
	}
	if len(delivered) != events {
		return fmt.Errorf("%d of %d events were delivered", len(delivered), events)
	}
	return nil
}
