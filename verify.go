package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/pushhooks/webhook/internal/strict"
)

// Errors of Verify and of a Receiver, matched with errors.Is.
var (
	// ErrUnsigned is returned when X-Pusher-Key or X-Pusher-Signature is missing or appears more
	// than once.
	ErrUnsigned = errors.New("webhook: delivery is not signed")

	// ErrUnknownKey is returned when the delivery was signed with a key that was not given.
	ErrUnknownKey = errors.New("webhook: delivery is signed with an unknown key")

	// ErrBadSignature is returned when the body and the secret of the delivery's key do not make
	// its signature.
	ErrBadSignature = errors.New("webhook: delivery has a bad signature")

	// ErrStale is returned when the delivery's time is more than MaxAge in the past or the future.
	ErrStale = errors.New("webhook: delivery is too old")

	// ErrBadPayload is returned when the signature is right and the body is not a payload.
	ErrBadPayload = errors.New("webhook: delivery is not a payload")
)

// Payload is what one delivery says.
type Payload struct {
	TimeMS int64   // when the sender made it, in milliseconds since 1970
	Events []Event // in the order of the body; their AppID is empty
	Key    string  // the key that it is signed with
	Body   []byte  // the signed bytes, for fields that an Event does not have
}

// Time returns TimeMS as a time.
func (p *Payload) Time() time.Time { return time.UnixMilli(p.TimeMS) }

// Verify checks that a delivery was signed with one of the keys, and returns what it says. body
// must be the bytes as they arrived. Give it several keys while a key is being rotated, or when
// several apps deliver to one place; one whose name or secret is empty is never taken.
//
// Events of types that this package does not know, and fields that it does not know, are no errors,
// so that a sender may be newer than its receiver. The fields of such an event that an Event does
// not have are in its Extra. The header Webhook-Id, which is not signed, is the same in every copy
// of a delivery.
func Verify(body []byte, header http.Header, keys ...Key) (*Payload, error) {
	r := Receiver{Keys: keys}
	return r.Verify(body, header)
}

// Receiver verifies deliveries. Its methods may be called by many goroutines at once as long as its
// fields stay as they are.
type Receiver struct {
	// Keys are the keys that deliveries may be signed with. Required: without any, every delivery
	// is refused.
	Keys []Key

	// MaxBody bounds the body that Handler reads, in bytes. Defaults to 1 MiB.
	MaxBody int64

	// MaxAge refuses deliveries whose time is further in the past or the future. The sender stamps
	// a delivery afresh that waited for 4 minutes, unless Options.KeepTime is set. Defaults to no
	// bound.
	MaxAge time.Duration
}

// Verify is [Verify] with the receiver's keys and MaxAge.
func (rc *Receiver) Verify(body []byte, header http.Header) (*Payload, error) {
	key, err := rc.checkSignature(body, header)
	if err != nil {
		return nil, err
	}
	p, err := parsePayload(body)
	if err != nil {
		return nil, err
	}
	p.Key = key
	if age := time.Since(p.Time()); rc.MaxAge > 0 && age.Abs() > rc.MaxAge {
		return nil, fmt.Errorf("%w: its time_ms is %d, %v from now; at most %v is allowed",
			ErrStale, p.TimeMS, age.Round(time.Second), rc.MaxAge)
	}
	return p, nil
}

// checkSignature returns the name of the key that signed body.
func (rc *Receiver) checkSignature(body []byte, header http.Header) (string, error) {
	name, err := single(header, "X-Pusher-Key")
	if err != nil {
		return "", err
	}
	signature, err := single(header, "X-Pusher-Signature")
	if err != nil {
		return "", err
	}
	err = fmt.Errorf("%w: %q", ErrUnknownKey, shorten(name))
	for _, k := range rc.Keys {
		if k.Key != name || k.Key == "" || k.Secret == "" {
			continue
		}
		if equalHex(textMAC(macKey(k.Secret), body), signature) {
			return name, nil
		}
		err = fmt.Errorf("%w for the key %q", ErrBadSignature, shorten(name))
	}
	return "", err
}

// single returns the header's value if it has exactly one.
func single(header http.Header, name string) (string, error) {
	values := header.Values(name)
	if len(values) != 1 {
		return "", fmt.Errorf("%w: %s is there %d times, it must be there once", ErrUnsigned, name, len(values))
	}
	return values[0], nil
}

// Handler returns a handler that verifies deliveries and hands them to next, which answers: 2xx
// takes the delivery, which is the default when next writes nothing, and anything else makes the
// sender try again later.
//
// Everything else is rejected: any method but POST with 405, a body above MaxBody with 413, which
// makes this module's sender split the delivery, a body that can't be read or is not a payload with
// 400, a delivery that is not signed, or not well, or too old with 401.
func (rc *Receiver) Handler(next func(http.ResponseWriter, *http.Request, *Payload)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "webhook: deliveries are made with POST", http.StatusMethodNotAllowed)
			return
		}
		p, err := rc.receive(w, r)
		if err != nil {
			http.Error(w, err.Error(), rejection(err))
			return
		}
		next(w, r, p)
	})
}

// receive reads and verifies a request.
func (rc *Receiver) receive(w http.ResponseWriter, r *http.Request) (*Payload, error) {
	const defaultMaxBody = 1 << 20
	most := rc.MaxBody
	if most <= 0 {
		most = defaultMaxBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		return nil, fmt.Errorf("%w: reading the body: %w", ErrBadPayload, err)
	}
	return rc.Verify(body, r.Header)
}

// rejection returns the status that tells the sender of err.
func rejection(err error) int {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, ErrBadPayload):
		return http.StatusBadRequest
	}
	return http.StatusUnauthorized
}

// parsePayload reads a payload, and lets be what it does not know.
func parsePayload(body []byte) (*Payload, error) {
	var in struct {
		TimeMS int64           `json:"time_ms"`
		Events []receivedEvent `json:"events"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadPayload, err)
	}
	p := &Payload{TimeMS: in.TimeMS, Events: make([]Event, len(in.Events)), Body: body}
	for i := range in.Events {
		p.Events[i] = in.Events[i].event()
	}
	return p, nil
}

// receivedEvent is an event of a payload. Some senders put objects and numbers where Pusher puts
// strings.
type receivedEvent struct {
	Name              EventType  `json:"name"`
	Channel           string     `json:"channel"`
	Event             string     `json:"event"`
	Data              textOrJSON `json:"data"`
	SocketID          string     `json:"socket_id"`
	UserID            textOrJSON `json:"user_id"`
	UserInfo          rawText    `json:"user_info"`
	SubscriptionCount int        `json:"subscription_count"`
	extra             string
}

// UnmarshalJSON reads an event. What one of a host's own type has besides the fields is kept.
func (e *receivedEvent) UnmarshalJSON(text []byte) error {
	type fields receivedEvent // without this method
	if err := json.Unmarshal(text, (*fields)(e)); err != nil || text[0] != '{' || e.Name.known() {
		return err
	}
	members := []byte{'{'}
	strict.Read(text, strict.Members(func(name string, v strict.Value) {
		if isStandardName(name) {
			return
		}
		if len(members) > 1 {
			members = append(members, ',')
		}
		members = append(appendString(members, name), ':')
		members = append(members, v.Raw()...)
	}))
	if len(members) > 1 {
		e.extra = string(append(members, '}'))
	}
	return nil
}

func (e *receivedEvent) event() Event {
	return Event{
		Type: e.Name, Channel: e.Channel, Event: e.Event, Data: string(e.Data), SocketID: e.SocketID,
		UserID: string(e.UserID), UserInfo: string(e.UserInfo), SubscriptionCount: e.SubscriptionCount,
		Extra: e.extra,
	}
}

// textOrJSON is a string, or the JSON text of anything else.
type textOrJSON string

func (t *textOrJSON) UnmarshalJSON(text []byte) error {
	if text[0] == '"' {
		return json.Unmarshal(text, (*string)(t))
	}
	return (*rawText)(t).UnmarshalJSON(text)
}

// rawText is the JSON text of a value; null is "".
type rawText string

func (t *rawText) UnmarshalJSON(text []byte) error {
	if string(text) != "null" {
		*t = rawText(text)
	}
	return nil
}
