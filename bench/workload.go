package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/pushhooks/webhook"
)

// The workload of every case: client events of some apps, each with a hundred channels and one
// webhook.
const (
	channelsPerApp = 100
	eventName      = "client-typing"
	socketID       = "1234.567890"
	appKey         = "my-key"
	appSecret      = "my-secret"
	batchSize      = 100                   // events a request where events are batched
	batchDuration  = 50 * time.Millisecond // how long a batch stays open
)

// workload is what all cases send alike.
type workload struct {
	apps     []string
	channels []string
}

func newWorkload(apps int) *workload {
	w := &workload{apps: make([]string, apps), channels: make([]string, channelsPerApp)}
	for i := range w.apps {
		w.apps[i] = "app-" + strconv.Itoa(i)
	}
	for i := range w.channels {
		w.channels[i] = fmt.Sprintf("private-room-%04d", i)
	}
	return w
}

// event makes event i, of app i modulo the number of apps. Its data tells when it was made.
func (w *workload) event(i int) webhook.Event {
	return webhook.ClientEvent(w.apps[i%len(w.apps)], w.channels[i/len(w.apps)%len(w.channels)], webhook.ClientMessage{
		Name: eventName, Data: eventData(), SocketID: socketID,
	})
}

// eventData is the current time as JSON.
func eventData() string {
	var buf [32]byte
	data := append(buf[:0], `{"t":`...)
	data = strconv.AppendInt(data, time.Now().UnixNano(), 10)
	return string(append(data, '}'))
}

// appendEvent appends an event as JSON by hand. It escapes nothing but the data's quotes, because
// nothing else in the workload needs it.
func appendEvent(b []byte, ev *webhook.Event) []byte {
	b = append(b, `{"name":"client_event","channel":"`...)
	b = append(b, ev.Channel...)
	b = append(b, `","event":"`...)
	b = append(b, ev.Event...)
	b = append(b, `","data":"`...)
	for i := range len(ev.Data) {
		if ev.Data[i] == '"' {
			b = append(b, '\\')
		}
		b = append(b, ev.Data[i])
	}
	b = append(b, `","socket_id":"`...)
	b = append(b, ev.SocketID...)
	return append(b, `"}`...)
}

const bodyEnd = "]}"

// appendBodyStart begins a request's body; events separated by commas and bodyEnd follow.
func appendBodyStart(b []byte) []byte {
	b = append(b, `{"time_ms":`...)
	b = strconv.AppendInt(b, time.Now().UnixMilli(), 10)
	return append(b, `,"events":[`...)
}
