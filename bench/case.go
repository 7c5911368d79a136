package main

import (
	"context"
	"slices"
	"strings"

	"github.com/pushhooks/webhook"
)

// pipeline takes events and sees to it that a receiver gets them.
type pipeline interface {
	// emit takes an event, and waits while there is no room. Many goroutines call it at once.
	emit(ctx context.Context, ev webhook.Event) error

	// finish waits until everything that was emitted is acknowledged. Nothing is emitted any more.
	finish(ctx context.Context) error
}

// selfDriven is a pipeline that has no producers at full speed: the goroutines that post make the
// events.
type selfDriven interface {
	drive(ctx context.Context, events int) error
}

// setup is what a pipeline is made of, in the sender's process.
type setup struct {
	spec
	load *workload
	fail func(error) // ends the measurement; for background goroutines
}

// store is where a case keeps its jobs.
type store string

const (
	noStore    store = ""
	redisStore store = "redis"
	redisAOF   store = "redis-aof" // with an append-only file, synced every second
	diskStore  store = "disk"
)

// sizes says at which numbers of events a request a case makes sense.
type sizes int

const (
	anySize sizes = iota
	onlyOne
)

// benchCase is a way to send events.
type benchCase struct {
	name  string // what -only names
	label string
	store store
	sizes sizes
	slow  bool // gets -slow-events where others get -events
	own   bool // this library
	open  func(context.Context, *setup) (pipeline, error)
}

// ceiling is the case that the others' ratios are to.
const ceiling = "nethttp"

// throughputCases are the cases at full speed, in the order of the table.
var throughputCases = []benchCase{
	{name: ceiling, label: "net/http, prebuilt and signed bodies", open: openPrebuilt},
	{name: "direct", label: "net/http, events made, encoded and signed", open: openDirect},
	{name: "sketch", label: "150-line sketch, memory", open: openSketch},
	{name: "channel", label: "hand-rolled channel, encoding/json", sizes: onlyOne, open: openChannel},
	{name: "memory", label: "this library, memory", own: true, open: openLibrary},
	{name: "gochannel", label: "watermill gochannel, memory", sizes: onlyOne, open: openGoChannel},
	{name: "redis", label: "this library, Redis", store: redisStore, own: true, open: openLibrary},
	{name: "redis-aof", label: "this library, Redis, append-only file", store: redisAOF, own: true, open: openLibrary},
	{name: "streams", label: "hand-rolled Redis Streams behind the sketch", store: redisStore, open: openStreams},
	{name: "watermill", label: "watermill Redis Streams", store: redisStore, slow: true, open: openWatermill},
	{name: "asynq", label: "asynq", store: redisStore, slow: true, open: openAsynq},
	{name: "disk", label: "this library, disk, synced", store: diskStore, slow: true, own: true, open: openLibrary},
}

// directAfterRedis is the case of a bare POST after three round trips to Redis.
var directAfterRedis = benchCase{name: "direct-redis", label: "net/http after three Redis round trips", store: redisStore, open: openDirectAfterRedis}

// allCases are the cases that a sender knows.
func allCases() []benchCase { return append(slices.Clip(throughputCases), directAfterRedis) }

// casesNamed returns the cases of some names, of those that are wanted.
func casesNamed(names []string, only string) (cases []benchCase) {
	for _, name := range names {
		if c, ok := caseNamed(allCases(), name); ok && wanted(only, name) {
			cases = append(cases, c)
		}
	}
	return cases
}

// caseNamed returns the case of a name.
func caseNamed(list []benchCase, name string) (benchCase, bool) {
	i := slices.IndexFunc(list, func(c benchCase) bool { return c.name == name })
	if i < 0 {
		return benchCase{}, false
	}
	return list[i], true
}

// wanted reports whether only, a list of beginnings of names, names a case. An empty list names
// all.
func wanted(only, name string) bool {
	return only == "" || slices.ContainsFunc(strings.Split(only, ","), func(s string) bool { return strings.HasPrefix(name, s) })
}
