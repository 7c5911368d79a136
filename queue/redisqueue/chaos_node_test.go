package redisqueue_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// nodeEnv makes the test binary a node of the chaos test with this configuration, in JSON.
const nodeEnv = "REDISQUEUE_TEST_NODE"

const (
	nodeWorkers = 8
	nodeLease   = 7 * time.Second
	nodeHeader  = "X-Node" // names the node to the receiver
	nodeBatch   = 20
)

// nodeConfig is what a node of the chaos test needs to know.
type nodeConfig struct {
	Name       string
	Seed       uint64
	Receiver   string
	Addrs      []string          // of Redis
	Via        map[string]string // the proxy in front of each address
	Cluster    bool
	Partitions int
	AtMostOnce bool
}

func (c *nodeConfig) client() redis.UniversalClient {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, c.Via[addr])
	}
	if c.Cluster {
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: c.Addrs, Dialer: dial, ContextTimeoutEnabled: true})
	}
	return redis.NewClient(&redis.Options{Addr: c.Addrs[0], Dialer: dial, ContextTimeoutEnabled: true})
}

// chaosApp is the app that all nodes have: five webhooks, of which each event goes to one. One may
// be ordered.
func chaosApp(receiver string, ordered bool) webhook.App {
	app := webhook.App{ID: "chaos", Key: "key", Secret: "secret"}
	for i := range chaosHooks {
		app.Webhooks = append(app.Webhooks, webhook.Webhook{
			ID: fmt.Sprint("hook-", i), URL: receiver, Ordered: ordered && i == orderedHook,
			EventTypes: []webhook.EventType{webhook.TypeClientEvent},
			Filter:     webhook.Filter{ChannelPrefix: fmt.Sprint("private-", i, "-")},
			Retry: webhook.Retry{
				InitialBackoff: 50 * time.Millisecond, MaxBackoff: 300 * time.Millisecond, MaxElapsed: 3 * time.Second,
			},
		})
	}
	return app
}

const (
	chaosHooks  = 5
	orderedHook = 4
)

// say writes a line for the chaos test. A line that was written outlives the process.
func say(words ...any) { _, _ = os.Stdout.WriteString(fmt.Sprintln(words...)) }

// runNode emits and delivers. It stops emitting at a line on its standard input, and ends when that
// is closed.
func runNode(config string) {
	var c nodeConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		panic(err)
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	redis.SetLogger(quiet{})
	ctx, cancel := context.WithCancel(context.Background())
	client := c.client()
	var q *redisqueue.Queue
	_ = persist(ctx, func() (err error) {
		q, err = redisqueue.New(ctx, client, redisqueue.Options{Lease: nodeLease, Partitions: c.Partitions, AtMostOnce: c.AtMostOnce})
		return err
	})
	em, err := webhook.New(webhook.Options{
		Apps: []webhook.App{chaosApp(c.Receiver, !c.AtMostOnce)}, Queue: tellingQueue{q}, Workers: nodeWorkers,
		Batching:       webhook.Batching{Duration: 10 * time.Millisecond, Size: nodeBatch},
		OutboxBytes:    256 << 10,
		RequestTimeout: 2 * time.Second,
		Middleware: []dispatch.Middleware{func(next dispatch.Sender) dispatch.Sender {
			return dispatch.SenderFunc(func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
				r.Header.Set(nodeHeader, c.Name)
				return next.Send(ctx, r)
			})
		}},
		Trace: &webhook.Trace{Dropped: func(i webhook.DroppedInfo) { say("dropped", i.Events, oneWord(i.Err)) }},
	})
	if err != nil {
		panic(err)
	}
	var emitting sync.WaitGroup
	for k := range chaosHooks {
		emitting.Go(func() { emitNumbered(ctx, em, &c, k) })
	}
	input := bufio.NewReader(os.Stdin)
	_, _ = input.ReadString('\n')
	cancel()
	emitting.Wait()
	say("stopped")
	_, _ = io.Copy(io.Discard, input)
	ending, done := context.WithTimeout(context.Background(), 20*time.Second)
	defer done()
	if err := em.Shutdown(ending); err != nil {
		say("unclean", oneWord(err))
		return
	}
	_ = q.Close()
	say("clean")
}

// emitNumbered emits events for one webhook until ctx ends, now and then by Emit, and tells what
// became of each.
func emitNumbered(ctx context.Context, em *webhook.Emitter, c *nodeConfig, k int) {
	random := rand.New(rand.NewPCG(c.Seed, uint64(k)))
	for n := 0; ctx.Err() == nil; {
		var names []string
		var events []webhook.Event
		for range 1 + random.IntN(8) {
			name := fmt.Sprintf("%s-%d-%d", c.Name, k, n)
			// there each would hold the others up for its budget
			if n++; random.IntN(500) == 0 && k != orderedHook {
				name += poison
			}
			names = append(names, name)
			events = append(events, webhook.ClientEvent("chaos", fmt.Sprintf("private-%d-%s", k, name), webhook.ClientMessage{
				Name: "client-n", Data: strings.Repeat("x", 1<<random.IntN(12)), SocketID: "1.1",
			}))
		}
		if random.IntN(4) == 0 {
			for i := range events {
				told(names[i], em.Emit(events[i]), "taken")
			}
		} else {
			wait := 30 * time.Second
			if random.IntN(10) == 0 {
				wait = 100 * time.Millisecond
			}
			calling, cancel := context.WithTimeout(ctx, wait)
			err := em.EmitSync(calling, events...)
			cancel()
			for i := range events {
				told(names[i], queue.ErrorOf(err, i), "ok")
			}
		}
		time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
	}
}

// poison ends the names of the events that the receiver refuses.
const poison = "-bad"

// told tells what became of an event.
func told(name string, err error, taken string) {
	switch {
	case err == nil:
		say(taken, name)
	case errors.Is(err, webhook.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		say("unknown", name, oneWord(err))
	default:
		say("refused", name, oneWord(err))
	}
}

func oneWord(err error) string { return strings.Join(strings.Fields(fmt.Sprint(err)), "_") }

// tellingQueue tells which jobs it leases, which are acked, and of which a call failed.
type tellingQueue struct{ *redisqueue.Queue }

func (q tellingQueue) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	leases, err := q.Queue.Receive(ctx, w)
	for i := range leases {
		say("leased", leases[i].ID, leases[i].Until.Add(-nodeLease).UnixMicro())
	}
	return leases, err
}

func (q tellingQueue) Ack(ctx context.Context, leases []queue.Lease) error {
	err := q.Queue.Ack(ctx, leases)
	tellAll("acked", leases, err)
	return err
}

func (q tellingQueue) Extend(ctx context.Context, leases []queue.Lease) error {
	err := q.Queue.Extend(ctx, leases)
	tellAll("", leases, err)
	return err
}

func (q tellingQueue) Release(ctx context.Context, leases []queue.Lease) error {
	err := q.Queue.Release(ctx, leases)
	tellAll("", leases, err)
	return err
}

func (q tellingQueue) Nack(ctx context.Context, nacks []queue.Nack) error {
	err := q.Queue.Nack(ctx, nacks)
	for i := range nacks {
		tell("", nacks[i].ID, queue.ErrorOf(err, i))
	}
	return err
}

func (q tellingQueue) Replace(ctx context.Context, l queue.Lease, jobs []queue.Job) error {
	err := q.Queue.Replace(ctx, l, jobs)
	tell("replaced", l.ID, err)
	return err
}

func (q tellingQueue) DeadLetter(ctx context.Context, l queue.Lease, reason string) error {
	for _, name := range namesIn(l.Data) {
		say("burying", name, l.ID, strings.ReplaceAll(reason, " ", "_"))
	}
	err := q.Queue.DeadLetter(ctx, l, reason)
	tell("buried", l.ID, err)
	return err
}

func tellAll(what string, leases []queue.Lease, err error) {
	for i := range leases {
		tell(what, leases[i].ID, queue.ErrorOf(err, i))
	}
}

func tell(what, id string, err error) {
	if err != nil {
		say("trouble", id, oneWord(err))
	} else if what != "" {
		say(what, id, time.Now().UnixMicro())
	}
}

// namesIn returns the names of the events of a job, whose first line is the body.
func namesIn(data []byte) (names []string) {
	var body struct{ Events []struct{ Channel string } }
	text, _, _ := bytes.Cut(data, []byte("\n"))
	_ = json.Unmarshal(text, &body)
	for _, e := range body.Events {
		names = append(names, nameOf(e.Channel))
	}
	return names
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}
