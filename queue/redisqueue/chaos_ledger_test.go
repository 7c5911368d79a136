package redisqueue_test

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue"
)

// ledger has what the nodes of a chaos test said and what their receiver got.
type ledger struct {
	app  *webhook.App
	once bool // at most once: jobs may be lost, and none has a copy

	mu     sync.Mutex
	events map[string]*ledgerEvent
	jobs   map[string]*ledgerJob
	nodes  map[string]*ledgerNode
	buried map[string]bool // jobs
	order  []string        // the events of the ordered webhook, as they first came
	wrong  []string
}

// ledgerEvent is one event.
type ledgerEvent struct {
	said string   // ok, taken, unknown or refused; empty: its node was killed before it knew
	by   []string // the jobs that delivered it, one for each delivery
	dead string   // the reason of its dead letter, which a node told or that is listed
}

// ledgerJob is one job.
type ledgerJob struct {
	leased  int64                // when the last lease began, Unix µs
	settled int64                // when an ack, a replacement or a burial had succeeded
	at      map[string]*ledgerAt // by node
}

// ledgerAt is one job at one node.
type ledgerAt struct {
	deliveries    int
	acked, failed bool // a call for it succeeded, or failed
}

// ledgerNode is one life of a process.
type ledgerNode struct {
	killed, clean bool
	dropped       int // events
}

func newLedger() *ledger {
	return &ledger{
		events: make(map[string]*ledgerEvent), jobs: make(map[string]*ledgerJob), nodes: make(map[string]*ledgerNode),
		buried: make(map[string]bool),
	}
}

func (l *ledger) errorf(format string, args ...any) {
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

func entry[K comparable, V any](m map[K]*V, key K) *V {
	if m[key] == nil {
		m[key] = new(V)
	}
	return m[key]
}

func (j *ledgerJob) of(node string) *ledgerAt {
	if j.at == nil {
		j.at = make(map[string]*ledgerAt)
	}
	return entry(j.at, node)
}

// read notes what a node says until it ends.
func (l *ledger) read(node string, output io.Reader, stopped func()) {
	for lines := bufio.NewScanner(output); lines.Scan(); {
		words := strings.Fields(lines.Text())
		l.mu.Lock()
		l.line(node, words)
		l.mu.Unlock()
		if words[0] == "stopped" {
			stopped()
		}
	}
}

func (l *ledger) line(node string, words []string) {
	n := entry(l.nodes, node)
	switch words[0] {
	case "ok", "taken", "unknown", "refused":
		entry(l.events, words[1]).said = words[0]
	case "leased":
		j := entry(l.jobs, words[1])
		j.leased = max(j.leased, microseconds(words[2]))
	case "acked", "replaced", "buried":
		j := entry(l.jobs, words[1])
		if j.settled != 0 {
			l.errorf("%s %s job %s, which was settled", node, words[0], words[1])
		}
		j.settled, j.of(node).acked = microseconds(words[2]), true
		if words[0] == "buried" {
			l.buried[words[1]] = true
		}
	case "burying":
		entry(l.events, words[1]).dead = words[3]
	case "trouble":
		entry(l.jobs, words[1]).of(node).failed = true
	case "dropped":
		events := 0
		_, _ = fmt.Sscan(words[1], &events)
		n.dropped += events
	case "clean":
		n.clean = true
	case "unclean", "stopped":
	default:
		l.errorf("%s says %q", node, words)
	}
}

// killed notes that a node is killed.
func (l *ledger) killed(node string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entry(l.nodes, node).killed = true
}

// ServeHTTP is the receiver. It refuses batches with a poisoned event.
func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the node has gone
	}
	p, err := webhook.Verify(body, r.Header, webhook.Key{Key: l.app.Key, Secret: l.app.Secret})
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.errorf("a request that is not genuine: %v", err)
		return
	}
	for _, e := range p.Events {
		if strings.HasSuffix(e.Channel, poison) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	l.deliver(r.Header.Get("Webhook-Id"), r.Header.Get(nodeHeader), p.Events)
}

func (l *ledger) deliver(id, node string, events []webhook.Event) {
	entry(l.jobs, id).of(node).deliveries++
	for _, event := range events {
		name := nameOf(event.Channel)
		e := entry(l.events, name)
		if len(e.by) == 0 && strings.HasPrefix(event.Channel, fmt.Sprintf("private-%d-", orderedHook)) {
			l.order = append(l.order, name)
		}
		e.by = append(e.by, id)
	}
}

// nameOf returns the name of a channel's event.
func nameOf(channel string) string { return channel[len("private-0-"):] }

// bury notes the dead letters that are listed, and how many others were evicted to make room.
func (l *ledger) bury(letters []queue.DeadLetter, evicted int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range letters {
		names := namesIn(d.Data)
		if len(names) == 0 || d.Reason == "" {
			l.errorf("dead letter %s has the events %v and the reason %q", d.ID, names, d.Reason)
		}
		for _, name := range names {
			entry(l.events, name).dead = d.Reason
		}
		delete(l.buried, d.ID)
	}
	if len(l.buried) > evicted {
		l.errorf("%d jobs were buried and are not listed; %d were evicted", len(l.buried), evicted)
	}
}

func microseconds(word string) int64 {
	n, _ := strconv.ParseInt(word, 10, 64)
	return n
}

// close checks that every event is accounted for, and every copy has a reason.
func (l *ledger) close(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	said, lost := make(map[string]int), make(map[string]int)
	delivered, dead, copies := 0, 0, 0
	for name, e := range l.events {
		said[cmp.Or(e.said, "killed before it knew")]++
		node, _, _ := strings.Cut(name, "-")
		here := len(e.by) > 0 || e.dead != ""
		switch {
		case l.once && len(e.by) > 1:
			l.errorf("event %s was delivered %d times, by %v", name, len(e.by), e.by)
		case (e.said == "ok" || e.said == "taken") && !here && l.once:
			lost[node]++
		case e.said == "ok" && !here:
			l.errorf("event %s was handed over, and is neither delivered nor a dead letter", name)
		case e.said == "taken" && !here:
			lost[node]++
		case e.said == "refused" && here:
			l.errorf("event %s was refused, and is delivered by %v or a dead letter (%s)", name, e.by, e.dead)
		}
		if e.dead != "" {
			dead++
			if !strings.HasSuffix(name, poison) {
				l.errorf("event %s is a dead letter: %s", name, e.dead)
			}
		}
		if len(e.by) > 0 {
			delivered++
			copies += len(e.by) - 1
		}
		for _, id := range e.by {
			if id[:36] != e.by[0][:36] {
				l.errorf("event %s came with the jobs %v", name, e.by)
			}
		}
	}
	for node, n := range lost {
		if life := entry(l.nodes, node); !l.once && life.clean && n > life.dropped {
			l.errorf("%s ended well and has dropped %d events, but %d of those that Emit took are missing", node, life.dropped, n)
		}
	}
	if !l.once {
		l.closeJobs()
		l.closeOrder()
	}
	t.Logf("%d events: %v; %d delivered, %d copies of events, %d dead letters; missing: %v",
		len(l.events), said, delivered, copies, dead, lost)
	for i, wrong := range l.wrong {
		if t.Error(wrong); i == 20 {
			t.Fatalf("and %d more", len(l.wrong)-i)
		}
	}
	if said["ok"] < 100 {
		t.Errorf("only %d events were handed over", said["ok"])
	}
}

// closeJobs checks that no settled job was leased again, and that a job that a node delivered and
// did not settle has a reason: a call for it failed, or it was one of the node's workers when it
// was killed.
func (l *ledger) closeJobs() {
	pending := make(map[string]int)
	for id, j := range l.jobs {
		if j.settled != 0 && j.leased > j.settled {
			l.errorf("job %s was leased %d µs after it was settled", id, j.leased-j.settled)
		}
		for node, at := range j.at {
			switch {
			case at.deliveries == 0 || at.acked || at.failed:
			case entry(l.nodes, node).killed:
				pending[node]++
			default:
				l.errorf("%s delivered job %s %d times and did not settle it", node, id, at.deliveries)
			}
		}
	}
	for node, n := range pending {
		if n > nodeWorkers {
			l.errorf("%s was killed with %d delivered jobs that it had not settled; it has %d workers", node, n, nodeWorkers)
		}
	}
}

// closeOrder checks that the events of an ordered webhook came first in the order in which each
// node emitted them.
func (l *ledger) closeOrder() {
	last := make(map[string]int)
	for _, name := range l.order {
		words := strings.Split(name, "-")
		n, _ := strconv.Atoi(words[2])
		if n < last[words[0]] {
			l.errorf("event %s of the ordered webhook came after number %d", name, last[words[0]])
		}
		last[words[0]] = n
	}
}
