package main

import (
	"embed"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"sync"

	"github.com/pushhooks/webhook"
)

//go:embed page
var page embed.FS

// demo is what surrounds a WebSocket server: a page, the backend that lets its users in, and the
// receiver of the webhooks.
type demo struct {
	app  webhook.App
	port string // of the sockets

	mu      sync.Mutex
	down    bool          // the receiver refuses deliveries
	dropped int           // of those that arrived
	arrived [][]byte      // deliveries as JSON
	more    chan struct{} // closed when another one has arrived
}

// newDemo returns a demo that is to be served at own, of a server at public.
func newDemo(own, public net.Addr) *demo {
	_, port, _ := net.SplitHostPort(public.String())
	return &demo{port: port, more: make(chan struct{}), app: webhook.App{
		ID: "demo", Key: "demo-key", Secret: "demo-secret",
		Webhooks: []webhook.Webhook{{
			ID: "page", URL: "http://" + own.String() + "/demo/receiver", Ordered: true,
			EventTypes: []webhook.EventType{
				webhook.TypeChannelOccupied, webhook.TypeChannelVacated, webhook.TypeMemberAdded, webhook.TypeMemberRemoved,
				webhook.TypeClientEvent, webhook.TypeCacheMiss, webhook.TypeSubscriptionCount,
			},
		}},
	}}
}

func (d *demo) mount(mux *http.ServeMux) {
	files, _ := fs.Sub(page, "page") // a valid name
	mux.Handle("/", http.FileServerFS(files))
	receiver := webhook.Receiver{Keys: []webhook.Key{{Key: d.app.Key, Secret: d.app.Secret}}}
	mux.Handle("POST /demo/receiver", receiver.Handler(d.receive))
	mux.HandleFunc("GET /demo/arrived", d.stream)
	mux.HandleFunc("POST /demo/auth", d.letIn)
	mux.HandleFunc("GET /demo/app", func(w http.ResponseWriter, _ *http.Request) {
		w.Write(encode(object{"key": d.app.Key, "port": d.port}))
	})
	mux.HandleFunc("POST /demo/down", func(_ http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.down = r.FormValue("down") == "true"
	})
}

// letIn signs for everybody. A real backend asks who the user is, and whether the channel is for them.
func (d *demo) letIn(w http.ResponseWriter, r *http.Request) {
	channel, data := r.FormValue("channel_name"), string(encode(member{ID: userID(r.FormValue("user"))}))
	text := r.FormValue("socket_id") + ":" + channel
	if kindOf(channel).presence {
		text += ":" + data
	}
	w.Write(encode(object{"auth": authorization(d.app, text), "channel_data": data}))
}

// receive gets deliveries whose signature is right.
func (d *demo) receive(w http.ResponseWriter, r *http.Request, p *webhook.Payload) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		http.Error(w, "the demo's backend fails", http.StatusServiceUnavailable)
		return
	}
	if len(d.arrived) == 1000 {
		d.arrived, d.dropped = d.arrived[500:], d.dropped+500
	}
	d.arrived = append(d.arrived, encode(object{"attempt": r.Header.Get("Webhook-Attempt"), "time": p.TimeMS, "events": p.Events}))
	close(d.more)
	d.more = make(chan struct{})
}

// stream sends what has arrived and what arrives, as server-sent events.
func (d *demo) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	next, _ := strconv.Atoi(r.Header.Get("Last-Event-ID"))
	for {
		d.mu.Lock()
		next = max(next, d.dropped)
		fresh, more := d.arrived[min(next-d.dropped, len(d.arrived)):], d.more
		d.mu.Unlock()
		for _, delivery := range fresh {
			next++
			fmt.Fprintf(w, "id: %d\ndata: %s\n\n", next, delivery)
		}
		_ = http.NewResponseController(w).Flush()
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}
