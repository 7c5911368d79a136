package simulation

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook"
)

var (
	seeds = flag.Int("seeds", 500, "how many worlds to run")
	from  = flag.Uint64("from", 1, "the first seed")
	one   = flag.Uint64("seed", 0, "run this world alone")
)

func itoa(n int) string { return strconv.Itoa(n) }

// TestWorlds runs worlds and prints the seeds of those that break a promise.
func TestWorlds(t *testing.T) {
	if *one != 0 {
		run(t, *one)
		return
	}
	var next atomic.Uint64
	next.Store(*from)
	last := *from + uint64(*seeds)
	for worker := range 4 {
		t.Run(itoa(worker), func(t *testing.T) {
			t.Parallel()
			for seed := next.Add(1) - 1; seed < last; seed = next.Add(1) - 1 {
				run(t, seed)
			}
		})
	}
}

// run runs one world.
func run(t *testing.T, seed uint64) {
	var w *world
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(seed)
		w.live()
	})
	if len(w.failures) > 0 {
		t.Errorf("seed %d, %s:\n\t%s", seed, w.describe(), strings.Join(w.failures, "\n\t"))
	}
}

// world is one run.
type world struct {
	seed      uint64
	rng       *rand.Rand
	start     time.Time
	length    time.Duration
	workers   int
	timeout   time.Duration
	budget    time.Duration
	batching  bool
	lossy     int
	faults    bool // kills and outages
	endpoints []*endpoint
	store     *store
	ending    atomic.Bool

	nodes []*node
	all   []*node // those that were killed included
	event int
	calm  time.Time // since when nothing was killed or cut off

	failing  sync.Mutex
	failures []string
}

func newWorld(seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := &world{
		seed: seed, rng: rng, start: time.Now(),
		length:   5*time.Minute + time.Duration(rng.Int64N(int64(15*time.Minute))),
		workers:  []int{1, 2, 4, 20, 20, 100, 1000}[rng.IntN(7)],
		timeout:  []time.Duration{2 * time.Second, 10 * time.Second, 10 * time.Second}[rng.IntN(3)],
		budget:   []time.Duration{20 * time.Second, time.Minute, 5 * time.Minute}[rng.IntN(3)],
		batching: rng.IntN(2) == 0,
		faults:   rng.IntN(2) == 0,
	}
	if w.faults {
		w.lossy = rng.IntN(20)
	}
	n := int(math.Exp(rng.Float64() * math.Log(300)))
	if w.workers == 1 {
		n = min(n, 10)
	}
	events := 200 + rng.IntN(1500)
	for i := range max(1, n) {
		e := newEndpoint(rng, i, w.length, w.timeout)
		e.every = w.length * time.Duration(max(1, n)) / time.Duration(events)
		e.every = max(time.Duration(float64(e.every)*(0.2+3*rng.Float64())), e.capacity(w.workers, max(1, n)))
		w.endpoints = append(w.endpoints, e)
	}
	return w
}

func (w *world) describe() string {
	count := make([]int, kinds)
	for _, e := range w.endpoints {
		count[e.kind]++
	}
	return fmt.Sprintf("%d nodes, %d workers, timeout %v, budget %v, %v long, faults %v, endpoints by kind %v",
		len(w.nodes), w.workers, w.timeout, w.budget, w.length.Round(time.Second), w.faults, count)
}

// fail notes a broken promise.
func (w *world) fail(format string, args ...any) {
	w.failing.Lock()
	defer w.failing.Unlock()
	if len(w.failures) < 10 {
		w.failures = append(w.failures, fmt.Sprintf("at %v: ", w.now())+fmt.Sprintf(format, args...))
	}
}

func (w *world) now() time.Duration { return time.Since(w.start) }

// since returns a time as one of the world.
func (w *world) since(t time.Time) time.Duration { return t.Sub(w.start) }

func (w *world) endpoint(id string) *endpoint {
	n, _ := strconv.Atoi(id[1:])
	return w.endpoints[n]
}

// apps returns the configuration, ten webhooks an app.
func (w *world) apps() (apps []webhook.App) {
	for _, e := range w.endpoints {
		if len(apps) == 0 || apps[len(apps)-1].ID != e.app {
			apps = append(apps, webhook.App{ID: e.app, Key: "key-" + e.app, Secret: webhook.Secret("secret-" + e.app)})
		}
		a := &apps[len(apps)-1]
		a.Webhooks = append(a.Webhooks, e.config)
	}
	return apps
}

// live is the world's life, from the first event to the last account.
func (w *world) live() {
	w.store = newStore(w)
	defer w.store.Memory.Close()
	for i := range 1 + w.rng.IntN(3) {
		n := w.newNode(i)
		w.nodes, w.all = append(w.nodes, n), append(w.all, n)
	}
	w.calm = time.Now()
	w.poison()
	var running sync.WaitGroup
	for _, e := range w.endpoints {
		running.Go(func() { w.traffic(e) })
	}
	for at := w.step(); w.now()+at < w.length; at = w.step() {
		time.Sleep(at)
		w.happen()
		w.store.check()
	}
	running.Wait()
	w.end()
	w.account()
}

// poison has the poisoned endpoints refuse one of their first events.
func (w *world) poison() {
	for i, e := range w.endpoints {
		if e.kind == poisoned {
			e.poison = poisonBase + i
		}
	}
}

// poisonBase is where the numbers of poison events begin.
const poisonBase = 1 << 30

// traffic emits an endpoint's events.
func (w *world) traffic(e *endpoint) {
	rng := rand.New(rand.NewPCG(w.seed, uint64(len(e.id))<<32+uint64(e.every)))
	if e.poison > 0 {
		w.emit(rng, e, e.poison)
	}
	for {
		time.Sleep(1 + time.Duration(rng.ExpFloat64()*float64(e.every)))
		if w.now() >= w.length {
			return
		}
		for range 1 + rng.IntN(3) {
			w.failing.Lock()
			w.event++
			number := w.event
			w.failing.Unlock()
			w.emit(rng, e, number)
		}
	}
}

func (w *world) emit(rng *rand.Rand, e *endpoint, number int) {
	w.failing.Lock()
	n := w.nodes[rng.IntN(len(w.nodes))]
	w.failing.Unlock()
	n.emit(e, number)
}

// step returns the time until something happens.
func (w *world) step() time.Duration {
	return 1 + time.Duration(w.rng.ExpFloat64()*float64(20*time.Second))
}

// happen makes something happen to a node.
func (w *world) happen() {
	i := w.rng.IntN(len(w.nodes))
	n := w.nodes[i]
	switch what := w.rng.IntN(10); {
	case what < 3:
		w.setApp(n)
	case !w.faults:
	case what < 5:
		n.kill()
		w.calm = time.Now()
		successor := w.newNode(len(w.all))
		w.failing.Lock()
		w.nodes[i], w.all = successor, append(w.all, successor)
		w.failing.Unlock()
	case what < 7: // short outages, and some that outlive the leases
		n.cut.Store(true)
		n.cutOff()
		time.Sleep(time.Duration(w.rng.ExpFloat64() * float64(10*time.Second)))
		n.cut.Store(false)
		w.calm = time.Now()
	case len(w.nodes) > 1 && !w.anyOffline():
		n.setOffline(true)
		time.AfterFunc(time.Duration(w.rng.ExpFloat64()*float64(time.Minute)), func() { n.setOffline(false) })
	}
}

func (w *world) anyOffline() bool {
	for _, n := range w.nodes {
		if n.offline.Load() {
			return true
		}
	}
	return false
}

// setApp gives a node an app's configuration again, as it is.
func (w *world) setApp(n *node) {
	apps := w.apps()
	a := apps[w.rng.IntN(len(apps))]
	if err := n.em.SetApp(a); err != nil {
		w.fail("SetApp: %v", err)
	}
}

// end gives the world time to come to rest: the endpoints are back by then, and there are no more
// faults.
func (w *world) end() {
	w.ending.Store(true)
	for _, n := range w.nodes {
		n.setOffline(false)
	}
	for _, e := range w.endpoints {
		if e.back() > w.now() {
			e.backAt.Store(int64(w.now()))
		}
	}
	deadline := time.Now().Add(40 * time.Minute)
	for time.Now().Before(deadline) {
		time.Sleep(10 * time.Second)
		if s, _ := w.store.Stats(context.Background()); s.Ready+s.Delayed+s.Leased == 0 && w.pending() == 0 {
			break
		}
	}
	for _, n := range w.nodes {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := n.em.Shutdown(ctx); err != nil {
			w.fail("Shutdown of node %d: %v", n.number, err)
		}
		cancel()
	}
}

// pending returns what emitters have that the store has not.
func (w *world) pending() (n int64) {
	for _, node := range w.nodes {
		n += node.em.Stats().Pending
	}
	return n
}
