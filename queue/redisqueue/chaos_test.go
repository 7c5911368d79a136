package redisqueue_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/subprocess"
	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// soakEnv is how long each chaos test makes trouble, such as "1m". Defaults to 10 seconds.
const soakEnv = "WEBHOOK_TEST_SOAK"

var chaosSeed = flag.Uint64("chaos", 0, "the seed of the chaos tests; 0: any")

func soak(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv(soakEnv)
	if text == "" {
		return 10 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", soakEnv, err)
	}
	return d
}

// Three processes share one Redis while links are cut and slow, answers get lost, the store is
// full, the server hangs or is killed, and processes are killed, at random. At the end every event
// is accounted for.
func TestChaosOnAServer(t *testing.T) {
	t.Parallel()
	alone(t)
	server := testredis.StartServer(t, testredis.Options{AppendOnly: true})
	client := server.Client()
	defer client.Close()
	c := newChaos(t, client, []*testredis.Server{server})
	c.node.Partitions = 1 + 3*c.random.IntN(2)
	c.run(
		c.cut, c.cut, c.loseAnswer, c.loseAnswer, c.cutAnswer, c.slowLink, c.fill, c.kill, c.kill, c.replace, c.pause,
		c.restartServer, func() { c.everywhere("SCRIPT", "FLUSH") },
		func() { c.everywhere("CLIENT", "KILL", "TYPE", "normal") },
	)
}

// At most once is at most once: whatever happens, no event is delivered twice.
func TestChaosAtMostOnce(t *testing.T) {
	t.Parallel()
	alone(t)
	server := testredis.StartServer(t, testredis.Options{})
	client := server.Client()
	defer client.Close()
	c := newChaos(t, client, []*testredis.Server{server})
	c.node.AtMostOnce, c.ledger.once = true, true
	c.run(
		c.cut, c.cut, c.loseAnswer, c.loseAnswer, c.cutAnswer, c.slowLink, c.fill, c.kill, c.replace, c.pause,
		func() { c.everywhere("CLIENT", "KILL", "TYPE", "normal") },
	)
}

// The same as on a server with a cluster, of which slots are moved besides. No master is killed,
// because what it had not replicated would be lost.
func TestChaosOnACluster(t *testing.T) {
	t.Parallel()
	alone(t)
	cluster := testredis.StartCluster(t)
	client := cluster.Client()
	defer client.Close()
	c := newChaos(t, client, cluster.Nodes)
	c.node.Cluster = true
	c.run(
		c.cut, c.cut, c.loseAnswer, c.loseAnswer, c.cutAnswer, c.slowLink, c.fill, c.kill, c.kill, c.replace,
		func() { c.everywhere("SCRIPT", "FLUSH") },
		func() { c.everywhere("CLIENT", "KILL", "TYPE", "normal") },
		func() { cluster.MoveSlot(t, fmt.Sprintf("{%d}", c.random.IntN(10))) },
	)
}

// chaos is a chaos test under way.
type chaos struct {
	t       *testing.T
	random  *rand.Rand
	client  redis.UniversalClient
	servers []*testredis.Server
	proxies [][]*testredis.Proxy // of each process, to each server
	ledger  *ledger
	node    nodeConfig
	nodes   []*chaosNode
	lives   int
	counts  map[string]int
}

// chaosNode is one life of a process.
type chaosNode struct {
	name    string
	cmd     *exec.Cmd
	input   io.WriteCloser
	read    sync.WaitGroup
	stopped chan struct{} // it emits no more
}

const chaosNodes = 3

func newChaos(t *testing.T, client redis.UniversalClient, servers []*testredis.Server) *chaos {
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-run %s -chaos %d", t.Name(), seed)
	c := &chaos{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), client: client, servers: servers, ledger: newLedger(),
		counts: make(map[string]int),
	}
	receiver := httptest.NewServer(c.ledger)
	t.Cleanup(receiver.Close)
	app := chaosApp(receiver.URL, false) // for its keys
	c.ledger.app = &app
	c.node = nodeConfig{Receiver: receiver.URL}
	for _, s := range servers {
		c.node.Addrs = append(c.node.Addrs, s.Addr)
	}
	for range chaosNodes {
		proxies := make([]*testredis.Proxy, len(servers))
		for i, s := range servers {
			proxies[i] = testredis.StartProxy(t, s.Addr)
		}
		c.proxies = append(c.proxies, proxies)
	}
	return c
}

// run makes trouble for a while, and then closes the ledger.
func (c *chaos) run(troubles ...func()) {
	t := c.t
	for i := range chaosNodes {
		c.nodes = append(c.nodes, c.start(i))
	}
	for end := time.Now().Add(soak(t)); time.Now().Before(end); {
		time.Sleep(time.Duration(c.random.IntN(500)) * time.Millisecond)
		troubles[c.random.IntN(len(troubles))]()
	}
	t.Logf("troubles: %v", c.counts)
	for _, n := range c.nodes {
		_, _ = n.input.Write([]byte("\n"))
	}
	for _, n := range c.nodes {
		select {
		case <-n.stopped:
		case <-time.After(time.Minute):
			t.Fatalf("%s does not stop emitting", n.name)
		}
	}
	q := open(t, c.client, redisqueue.Options{AtMostOnce: c.node.AtMostOnce})
	c.empties(q)
	for _, n := range c.nodes {
		c.end(n)
	}
	c.empties(q) // they have nothing left to hand over
	letters, err := q.DeadLetters(t.Context(), "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	s, err := q.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.ledger.bury(letters, int(s.DeadDropped))
	c.ledger.close(t)
	c.leftovers(q, len(letters))
}

// empties waits until the queue is empty.
func (c *chaos) empties(q *redisqueue.Queue) {
	c.t.Helper()
	var s queue.Stats
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var err error
		if s, err = q.Stats(c.t.Context()); err == nil && s.Ready+s.Delayed+s.Leased == 0 {
			return
		}
	}
	lanes, _ := q.Lanes(c.t.Context(), "", 100)
	c.t.Fatalf("the queue does not get empty: %+v; lanes %+v", s, lanes)
}

// leftovers checks that an empty queue has no data and no bytes.
func (c *chaos) leftovers(q *redisqueue.Queue, dead int) {
	s, err := q.Stats(c.t.Context())
	if err != nil || s.Bytes != 0 || s.Dead != dead {
		c.t.Errorf("the statistics of the empty queue with %d dead letters are %+v, %v", dead, s, err)
	}
	jobs, large, letters := c.fields("jobs"), c.fields("large"), c.fields("letters")
	if jobs != 0 || large > letters || letters != dead {
		c.t.Errorf("Redis has data of %d jobs, %d letters, and %d texts apart; want 0, %d, and no more than letters", jobs, letters, large, dead)
	}
}

// fields counts the fields of a hash in all partitions.
func (c *chaos) fields(hash string) (n int) {
	for _, s := range c.servers {
		client := s.Client()
		defer client.Close()
		role, err := client.Do(c.t.Context(), "ROLE").Slice()
		if err != nil || role[0] != "master" {
			continue
		}
		keys, err := client.Keys(c.t.Context(), "pushhooks:{*}:"+hash).Result()
		if err != nil {
			c.t.Fatal(err)
		}
		for _, key := range keys {
			n += int(client.HLen(c.t.Context(), key).Val())
		}
	}
	return n
}

// start starts a process in place i.
func (c *chaos) start(i int) *chaosNode {
	c.lives++
	n := &chaosNode{name: "n" + strconv.Itoa(c.lives), stopped: make(chan struct{})}
	config := c.node
	config.Name, config.Seed, config.Via = n.name, c.random.Uint64(), make(map[string]string)
	for k, s := range c.servers {
		config.Via[s.Addr] = c.proxies[i][k].Addr
	}
	text, err := json.Marshal(config)
	if err != nil {
		c.t.Fatal(err)
	}
	n.cmd = exec.Command(os.Args[0])
	n.cmd.Env = append(os.Environ(), nodeEnv+"="+string(text))
	n.cmd.Stderr = os.Stderr
	subprocess.EndWithParent(n.cmd)
	output, err := n.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if n.input, err = n.cmd.StdinPipe(); err != nil {
		c.t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	n.read.Go(func() { c.ledger.read(n.name, output, func() { close(n.stopped) }) })
	c.t.Cleanup(func() { _ = n.cmd.Process.Kill() })
	return n
}

// end ends a process in good order.
func (c *chaos) end(n *chaosNode) {
	_ = n.input.Close()
	n.read.Wait()
	if err := n.cmd.Wait(); err != nil {
		c.t.Errorf("%s: %v", n.name, err)
	}
}

func (c *chaos) one() int { return c.random.IntN(chaosNodes) }

// some returns the proxies of one process or of all.
func (c *chaos) some() []*testredis.Proxy {
	if c.random.IntN(3) > 0 {
		return c.proxies[c.one()]
	}
	var all []*testredis.Proxy
	for _, proxies := range c.proxies {
		all = append(all, proxies...)
	}
	return all
}

func (c *chaos) sleep(most time.Duration) { time.Sleep(time.Duration(c.random.Int64N(int64(most)))) }

func (c *chaos) cut() {
	c.counts["cut"]++
	proxies := c.some()
	for _, p := range proxies {
		p.SetDown(true)
	}
	if c.random.IntN(3) == 0 {
		c.sleep(nodeLease + time.Second)
	}
	for _, p := range proxies {
		p.SetDown(false)
	}
}

func (c *chaos) loseAnswer() {
	c.counts["answer lost"]++
	for _, p := range c.some() {
		p.LoseAnswer("evalsha")
	}
}

func (c *chaos) cutAnswer() {
	c.counts["answer cut"]++
	for _, p := range c.some() {
		p.CutAnswer("evalsha", c.random.IntN(3000))
	}
}

func (c *chaos) slowLink() {
	c.counts["slow link"]++
	proxies := c.some()
	link := testredis.Link{
		BytesPerSecond: 64 << 10 << c.random.IntN(6),
		Delay:          time.Duration(c.random.IntN(150)) * time.Millisecond,
	}
	for _, p := range proxies {
		p.SetLink(link)
	}
	c.sleep(3 * time.Second)
	for _, p := range proxies {
		p.SetLink(testredis.Link{})
	}
}

// fill has Redis refuse writes that need memory.
func (c *chaos) fill() {
	c.counts["full"]++
	c.everywhere("CONFIG", "SET", "maxmemory", "1mb")
	c.sleep(2 * time.Second)
	c.everywhere("CONFIG", "SET", "maxmemory", "0")
}

// kill kills a process, and starts another one.
func (c *chaos) kill() {
	c.counts["kill"]++
	i := c.one()
	n := c.nodes[i]
	c.ledger.killed(n.name)
	_ = n.cmd.Process.Kill()
	n.read.Wait()
	_ = n.cmd.Wait()
	c.sleep(time.Second)
	c.nodes[i] = c.start(i)
}

// replace ends a process in good order, and starts another one.
func (c *chaos) replace() {
	c.counts["restart"]++
	i := c.one()
	c.end(c.nodes[i])
	c.nodes[i] = c.start(i)
}

// restartServer kills a server, which has everything on disk, and starts it again.
func (c *chaos) restartServer() {
	c.counts["server killed"]++
	s := c.servers[c.random.IntN(len(c.servers))]
	s.Kill()
	c.sleep(time.Second)
	s.Start()
}

func (c *chaos) pause() {
	c.counts["pause"]++
	s := c.servers[c.random.IntN(len(c.servers))]
	s.Pause()
	c.sleep(2 * time.Second)
	s.Resume()
}

// everywhere runs a command on all servers.
func (c *chaos) everywhere(command ...string) {
	c.counts[strings.ToLower(strings.Join(command[:2], " "))]++
	args := make([]any, len(command))
	for i := range command {
		args[i] = command[i]
	}
	for _, s := range c.servers {
		client := s.Client()
		if err := client.Do(context.Background(), args...).Err(); err != nil && !strings.Contains(err.Error(), "EOF") {
			c.t.Errorf("%v: %v", args, err)
		}
		_ = client.Close()
	}
}
