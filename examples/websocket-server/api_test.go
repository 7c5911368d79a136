package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pusher/pusher-http-go/v5"

	"github.com/pushhooks/webhook"
)

// The official libraries for Node and for Go publish and ask.
func TestHTTPAPIServesTheOfficialLibraryForNode(t *testing.T) {
	t.Parallel()
	o, s := startOfficials(t), start(t, nil, app())
	at := address(s.addr)
	ann, bob := o.browse(t, s.addr, "ann", nil), o.browse(t, s.addr, "bob", nil)
	for _, channel := range []string{"news", "presence-chat", "cache-news"} {
		ann.join(channel)
		bob.join(channel)
	}
	var bobID string
	bob.do("socket", object{}, &bobID)
	o.do(t, "trigger", merged(at, object{"channels": []string{"news", "presence-chat"}, "event": "greet", "data": "hello", "except": bobID}), nil)
	o.do(t, "batch", merged(at, object{"batch": []object{
		{"channel": "news", "name": "first", "data": object{"n": 1}}, {"channel": "cache-news", "name": "second", "data": "2"},
	}}), nil)
	for _, want := range []struct{ channel, event, data string }{
		{"news", "greet", `"hello"`}, {"presence-chat", "greet", `"hello"`}, {"news", "first", `{"n":1}`}, {"cache-news", "second", "2"},
	} {
		if got := ann.wait(want.channel, want.event, 1); string(got.Data) != want.data {
			t.Errorf("%s %s: got %s", want.channel, want.event, got.Data)
		}
	}
	bob.wait("cache-news", "second", 1)
	if n := bob.count("news", "greet") + bob.count("presence-chat", "greet"); n != 0 {
		t.Errorf("the socket that was left out got the event %d times", n)
	}
	for _, ask := range []struct {
		path   string
		params object
		want   string
	}{
		{"/channels", object{}, `{"channels":{"cache-news":{},"news":{},"presence-chat":{}}}`},
		{"/channels", object{"filter_by_prefix": "presence-", "info": "user_count"}, `{"channels":{"presence-chat":{"user_count":2}}}`},
		{"/channels/presence-chat", object{"info": "user_count,subscription_count"}, `{"occupied":true,"subscription_count":2,"user_count":2}`},
		{"/channels/cache-news", object{"info": "cache"}, `{"cache":{"data":"2","ttl":1799},"occupied":true}`},
		{"/channels/empty", object{}, `{"occupied":false}`},
	} {
		var got struct{ Body json.RawMessage }
		o.do(t, "get", merged(at, object{"path": ask.path, "params": ask.params}), &got)
		if !strings.HasPrefix(ask.path, "/channels/cache") && string(got.Body) != ask.want {
			t.Errorf("%s %v: got %s, want %s", ask.path, ask.params, got.Body, ask.want)
		}
		if strings.HasPrefix(ask.path, "/channels/cache") && !strings.HasPrefix(string(got.Body), `{"cache":{"data":"2","ttl":17`) {
			t.Errorf("%s %v: got %s, want %s", ask.path, ask.params, got.Body, ask.want)
		}
	}
}

func goClient(s *running) *pusher.Client {
	return &pusher.Client{AppID: "my-app", Key: testKey.Key, Secret: string(testKey.Secret), Host: s.addr, HTTPClient: plain}
}

func TestHTTPAPIServesTheOfficialLibraryForGo(t *testing.T) {
	t.Parallel()
	s := start(t, nil, app())
	for _, user := range []string{"ann", "bob"} {
		c := dial(t, s, "my-key")
		c.subscribe("presence-chat", user)
	}
	client := goClient(s)
	if err := client.Trigger("presence-chat", "greet", object{"to": "all"}); err != nil {
		t.Error(err)
	}
	info := "user_count"
	list, err := client.Channels(pusher.ChannelsParams{FilterByPrefix: new("presence-"), Info: &info})
	if err != nil || list.Channels["presence-chat"].UserCount != 2 {
		t.Errorf("got %+v, %v", list, err)
	}
	users, err := client.GetChannelUsers("presence-chat")
	if err != nil || len(users.List) != 2 {
		t.Errorf("got %+v, %v", users, err)
	}
	one, err := client.Channel("presence-chat", pusher.ChannelParams{Info: &info})
	if err != nil || !one.Occupied || one.UserCount != 2 {
		t.Errorf("got %+v, %v", one, err)
	}
	if _, err := client.GetChannelUsers("news"); err == nil {
		t.Error("a public channel has users")
	}
}

func TestHTTPAPIRefusesWhatIsNotSignedWell(t *testing.T) {
	t.Parallel()
	s := start(t, nil, app())
	body := `{"name":"greet","channel":"news","data":"x"}`
	for name, c := range map[string]struct {
		change func(q url.Values, body *string)
		status int
	}{
		"well signed":    {func(url.Values, *string) {}, 200},
		"no signature":   {func(q url.Values, _ *string) { q.Del("auth_signature") }, 401},
		"another key":    {func(q url.Values, _ *string) { q.Set("auth_key", "other") }, 401},
		"another body":   {func(_ url.Values, b *string) { *b += " " }, 401},
		"more arguments": {func(q url.Values, _ *string) { q.Set("info", "user_count") }, 401},
		"no time":        {func(q url.Values, _ *string) { q.Del("auth_timestamp") }, 401},
	} {
		if got := post(t, s, "/apps/my-app/events", body, time.Now(), c.change); got != c.status {
			t.Errorf("%s: got %d, want %d", name, got, c.status)
		}
	}
	for skew, want := range map[time.Duration]int{-9 * time.Minute: 200, 9 * time.Minute: 200, -11 * time.Minute: 401, 11 * time.Minute: 401} {
		if got := post(t, s, "/apps/my-app/events", body, time.Now().Add(skew), nil); got != want {
			t.Errorf("signed %v away: got %d, want %d", skew, got, want)
		}
	}
	if got := post(t, s, "/apps/no-app/events", body, time.Now(), nil); got != 404 {
		t.Errorf("an unknown app: got %d", got)
	}
}

func TestHTTPAPIRefusesWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	s := start(t, nil, app())
	many := func(n int, item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	for name, c := range map[string]struct {
		path, body string
		status     int
	}{
		"data of 10 KiB":       {"events", `{"name":"x","channel":"news","data":"` + strings.Repeat("x", maxData) + `"}`, 200},
		"more data":            {"events", `{"name":"x","channel":"news","data":"` + strings.Repeat("x", maxData+1) + `"}`, 413},
		"a body above 1 MiB":   {"events", `{"name":"x","channel":"news","data":"` + strings.Repeat("x", maxBody) + `"}`, 413},
		"100 channels":         {"events", `{"name":"x","data":"x","channels":` + many(100, `"news"`) + `}`, 200},
		"101 channels":         {"events", `{"name":"x","data":"x","channels":` + many(101, `"news"`) + `}`, 400},
		"a batch of 10":        {"batch_events", `{"batch":` + many(10, `{"name":"x","channel":"news","data":"x"}`) + `}`, 200},
		"a batch of 11":        {"batch_events", `{"batch":` + many(11, `{"name":"x","channel":"news","data":"x"}`) + `}`, 400},
		"a name of the server": {"events", `{"name":"pusher:error","channel":"news","data":"x"}`, 400},
		"no name":              {"events", `{"channel":"news","data":"x"}`, 400},
		"no channel":           {"events", `{"name":"x","data":"x"}`, 400},
		"a wrong channel":      {"events", `{"name":"x","channel":"ne ws","data":"x"}`, 400},
		"a long channel":       {"events", `{"name":"x","channel":"` + strings.Repeat("x", 201) + `","data":"x"}`, 400},
		"data that is no text": {"events", `{"name":"x","channel":"news","data":{}}`, 400},
		"no JSON":              {"events", `name=x`, 400},
	} {
		if got := post(t, s, "/apps/my-app/"+c.path, c.body, time.Now(), nil); got != c.status {
			t.Errorf("%s: got %d, want %d", name, got, c.status)
		}
	}
}

// post sends a request that is signed at the time and then changed, and returns the answer's status.
func post(t *testing.T, s *running, path, body string, at time.Time, change func(url.Values, *string)) int {
	t.Helper()
	query := signedQuery(testKey, http.MethodPost, path, body, at)
	if change != nil {
		change(query, &body)
	}
	answer, err := plain.Post("http://"+s.addr+path+"?"+query.Encode(), "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}

// The official library's errors hold what the server says.
func TestHTTPAPITellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := start(t, nil, app())
	client := goClient(s)
	client.Secret = "guessed"
	err := client.Trigger("news", "greet", "hello")
	if err == nil || !strings.Contains(err.Error(), "auth_signature must be") || errors.Is(err, webhook.ErrUnsigned) {
		t.Errorf("got %v", err)
	}
}
