package webhook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pushhooks/webhook/queue"
)

func sealedJob(body string, env envelope) ([]byte, appKey) {
	key := appKey{"my-key", newSigner("my-secret")}
	return seal([]byte(body), &env, key, false), key
}

func TestAJobsDataIsItsBodyAndAnEnvelopeThatAPersonCanRead(t *testing.T) {
	t.Parallel()
	body := `{"time_ms":1707744000000,"events":[{"name":"channel_occupied","channel":"presence-chat"}]}`
	data, key := sealedJob(body, envelope{id: "id-1", app: "my-app", webhook: "main", timeMS: 1707744000000, sealedMS: 1707744000050, events: 1})
	first, second, found := strings.Cut(string(data), "\n")
	if !found || first != body {
		t.Errorf("the first line is %q", first)
	}
	var env struct {
		V, Events                             int
		TimeMS                                int64 `json:"time_ms"`
		SealedMS                              int64 `json:"sealed_ms"`
		ID, App, Webhook, Key, Signature, MAC string
	}
	if err := json.Unmarshal([]byte(second), &env); err != nil {
		t.Fatal(err)
	}
	if env.V != 2 || env.Events != 1 || env.TimeMS != 1707744000000 || env.SealedMS != 1707744000050 || env.ID != "id-1" || env.App != "my-app" || env.Webhook != "main" ||
		env.Key != "my-key" || len(env.MAC) != 64 || env.Signature != string(key.signer.appendSignature(nil, []byte(body))) {
		t.Errorf("the envelope is %+v", env)
	}
}

func TestAnyAlteredByteOfAJobIsRefused(t *testing.T) {
	t.Parallel()
	data, key := sealedJob(`{"time_ms":1,"events":[{"name":"a","channel":"b"},{"name":"c","channel":"d\n\"é"}]}`,
		envelope{id: "id-1", app: "my-app \"é\"", webhook: "main", timeMS: 1, events: 2})
	for i := range data {
		for _, change := range []byte{1, 2, 0x20, 0x80, data[i] ^ ' ', data[i] ^ '\n'} {
			altered := bytes.Clone(data)
			if altered[i] ^= change; altered[i] == data[i] {
				continue
			}
			if j, err := parseJob(altered); err == nil && j.verify(key.signer) {
				t.Errorf("byte %d: %q was taken for %q", i, altered[i], data[i])
			}
		}
		for name, altered := range map[string][]byte{
			"cut":     data[:i],
			"missing": append(bytes.Clone(data[:i]), data[i+1:]...),
			"doubled": append(bytes.Clone(data[:i+1]), data[i:]...),
		} {
			if j, err := parseJob(altered); err == nil && j.verify(key.signer) && !bytes.Equal(altered, data) {
				t.Errorf("byte %d %s: it was taken", i, name)
			}
		}
	}
}

func FuzzJob(f *testing.F) {
	data, _ := sealedJob(`{"time_ms":1,"events":[{"name":"a","channel":"b"}]}`, envelope{id: "id", app: "app", webhook: "w", timeMS: 1, events: 1})
	f.Add(data, "id", "app", "webhook", "key", int64(1), uint16(1), uint(3), byte(1))
	f.Add([]byte("\n{}"), "i\"d", "a\\pp", "w\u2028", "\xff", int64(1<<62), uint16(9), uint(0), byte(0x20))
	signer := newSigner("my-secret")
	f.Fuzz(func(t *testing.T, raw []byte, id, app, webhook, key string, timeMS int64, events uint16, at uint, change byte) {
		if j, err := parseJob(raw); err == nil { // never panics
			j.verify(signer)
			j.clampEvents()
			halve(j, queue.Job{ID: "x"}, appKey{"k", signer})
			restamp(j.body, 1)
		}
		raw = append(raw, ' ')
		env := envelope{id: id, app: app, webhook: webhook, timeMS: max(timeMS, 0), sealedMS: max(timeMS, 0), events: 1 + int(events)%len(raw)}
		sealed := seal(bytes.Clone(raw), &env, appKey{key, signer}, false)
		j, err := parseJob(sealed)
		if err != nil {
			t.Fatalf("%q: %v", sealed, err)
		}
		if !j.verify(signer) || !bytes.Equal(j.body, raw) || j.timeMS != env.timeMS || j.sealedMS != env.sealedMS || j.events != env.events {
			t.Fatalf("%q was read as %+v", sealed, j)
		}
		valid := utf8.ValidString(id) && utf8.ValidString(app) && utf8.ValidString(webhook) && utf8.ValidString(key)
		if valid && (j.id != id || j.app != app || j.webhook != webhook || j.key != key) {
			t.Fatalf("%q was read as %+v", sealed, j)
		}
		if change == 0 {
			return
		}
		altered := bytes.Clone(sealed)
		altered[at%uint(len(altered))] ^= change
		if j, err := parseJob(altered); err == nil && j.verify(signer) {
			t.Fatalf("%q was taken for %q", altered, sealed)
		}
	})
}

func FuzzHalves(f *testing.F) {
	f.Add("a", "b\"},{", "c\\", uint8(2))
	f.Add("[{,", "]}", "\xff\u2028", uint8(40))
	f.Fuzz(func(t *testing.T, channel, data, user string, n uint8) {
		events := int(n)%50 + 2
		body := appendBodyStart(nil, 1)
		for i := range events {
			if i > 0 {
				body = append(body, ',')
			}
			ev := Event{Type: "own", Channel: channel + strconv.Itoa(i), Data: data, UserID: user, UserInfo: `{"a":[1,{"b":"},{"}]}`}
			body = ev.appendJSON(body)
		}
		body = append(body, bodyEnd...)
		key := appKey{"k", newSigner("s")}
		whole, err := parseJob(seal(bytes.Clone(body), &envelope{id: "id", timeMS: 1, sealedMS: 2, events: events}, key, false))
		if err != nil {
			t.Fatal(err)
		}
		halves, ok := halve(whole, queue.Job{ID: "id", Lane: "lane"}, key)
		if !ok {
			t.Fatalf("%q can't be halved", body)
		}
		joined := appendBodyStart(nil, 1)
		count := 0
		for i, h := range halves {
			j, err := parseJob(h.Data)
			if err != nil || !j.verify(key.signer) || !json.Valid(j.body) || j.sealedMS != 2 {
				t.Fatalf("half %d is %q: %v", i, h.Data, err)
			}
			part, _ := bodyOf(j.body)
			if i > 0 {
				joined = append(joined, ',')
			}
			joined = append(joined, part...)
			p, err := parsePayload(j.body)
			if err != nil || len(p.Events) != j.events {
				t.Fatalf("half %d says %d events: %v", i, j.events, err)
			}
			count += j.events
		}
		if joined = append(joined, bodyEnd...); !bytes.Equal(joined, body) || count != events {
			t.Fatalf("the halves of %q are %q", body, joined)
		}
	})
}

func TestFault42BodiesOfAnyTextVerifyAtTheReceiver(t *testing.T) {
	t.Parallel()
	texts := []string{
		"\u2028\u2029", "<script>&amp;</script>", `"quotes" \ / \u0000`, "\xff\xfe invalid \xc3", "9007199254740993", "{\"n\":9007199254740993}",
		"\x00\x01\x1f\x7f", "emoji \U0001f600", "\ufeff\ufffe\uffff", strings.Repeat("長", 1000),
	}
	got := make(chan *Payload, 100)
	rc := &Receiver{Keys: []Key{testKey}}
	server := httptest.NewServer(rc.Handler(func(_ http.ResponseWriter, _ *http.Request, p *Payload) { got <- p }))
	defer server.Close()
	e := start(t, nil, apps(testApp(server.URL)), func(o *Options) { o.HTTP = nil })
	var sent []Event
	for _, text := range texts {
		client := ClientEvent("my-app", "private-"+text, ClientMessage{Name: "client-" + text, Data: text, SocketID: "1.1"})
		client.UserID = text
		updated := MemberUpdated("my-app", "presence-"+text, text, `{"n":9007199254740993,"s":"<&>\u2028"}`)
		emit(t, e, client, updated)
		sent = append(sent, client, updated)
	}
	drain(t, e)
	if s := e.Stats(); s.Delivered != int64(len(sent)) {
		t.Fatalf("stats: %+v", s)
	}
	var arrived []Event
	for range len(got) {
		p := <-got
		if !json.Valid(p.Body) || !utf8.Valid(p.Body) {
			t.Errorf("the body is not JSON: %q", p.Body)
		}
		arrived = append(arrived, p.Events...)
	}
	if len(arrived) != len(sent) {
		t.Fatalf("%d events arrived of %d", len(arrived), len(sent))
	}
	for i, ev := range arrived {
		want := sent[i]
		want.AppID = ""
		for _, s := range []*string{&want.Channel, &want.Event, &want.Data, &want.UserID} {
			*s = strings.ToValidUTF8(*s, "\ufffd")
		}
		if strings.Contains(sent[i].Channel, "\xff") { // how many U+FFFD is not what this is about
			continue
		}
		if ev.Channel != want.Channel || ev.Event != want.Event || ev.Data != want.Data || ev.UserID != want.UserID {
			t.Errorf("event %d arrived as %+v, sent %+v", i, ev, want)
		}
		if want.UserInfo != "" && !strings.Contains(ev.UserInfo, "9007199254740993") {
			t.Errorf("event %d has user_info %s", i, ev.UserInfo)
		}
	}
}
