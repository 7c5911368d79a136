package occupancy_test

import (
	"fmt"
	"strings"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/occupancy"
)

// printer stands for a *webhook.Emitter. Sometimes it has no room.
type printer struct{ full bool }

func (p *printer) Emit(ev webhook.Event) error {
	if p.full {
		return webhook.ErrOverflow
	}
	fmt.Println(strings.TrimSpace(fmt.Sprint(ev.Type, " ", ev.Channel, " ", ev.UserID)))
	return nil
}

func Example() {
	em := &printer{}
	tracker := occupancy.New(em)
	phone := occupancy.Subscription{AppID: "my-app", Channel: "presence-chat", SocketID: "1.1", UserID: "ann"}
	laptop := phone
	laptop.SocketID = "2.2"

	_ = tracker.Join(phone)
	_ = tracker.Join(laptop) // the same user: nobody was added
	_ = tracker.Leave(phone)
	_ = tracker.Gone("2.2")
	// Output:
	// channel_occupied presence-chat
	// member_added presence-chat ann
	// member_removed presence-chat ann
	// channel_vacated presence-chat
}

func ExampleTracker_Retry() {
	em := &printer{full: true}
	tracker := occupancy.New(em)
	fmt.Println(tracker.Join(occupancy.Subscription{AppID: "my-app", Channel: "presence-chat", SocketID: "1.1", UserID: "ann"}))
	em.full = false
	fmt.Println(tracker.Retry())
	// Output:
	// occupancy: channel_occupied of app "my-app", channel "presence-chat" waits: webhook: no room for the event
	// occupancy: member_added of app "my-app", channel "presence-chat", user "ann" waits: webhook: no room for the event
	// channel_occupied presence-chat
	// member_added presence-chat ann
	// <nil>
}
