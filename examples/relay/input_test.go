package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/pushhooks/webhook/webhooktest"
)

func TestBadLinesAreReportedAndSkipped(t *testing.T) {
	t.Parallel()
	bad := []struct{ line, why string }{
		{`nonsense`, "invalid character"},
		{`{"app_id":"my-app"`, "unexpected end of JSON"},
		{`{"app_id":"my-app","name":"channel_occupied","channel":"c"} trailing`, "after top-level value"},
		{`[]`, "object"},
		{`"channel_occupied"`, "object"},
		{`null`, "app_id is empty"},
		{`{}`, "app_id is empty"},
		{`{"app_id":"my-app","name":"channel_occupied"}`, "channel is empty"},
		{`{"app_id":"my-app","channel":"c"}`, "name is empty"},
		{`{"app_id":"my-app","name":"channel_ocupied","channel":"c"}`, `"channel_ocupied"`},
		{`{"app_id":"my-app","name":"channel_occupied","chanel":"c"}`, "chanel"},
		{`{"app_id":"my-app","name":"channel_occupied","channel":"c","channel":"d"}`, "channel"},
		{`{"app_id":"my-app","name":"channel_occupied","channel":7}`, "channel: must be a string, not 7"},
		{`{"app_id":7,"name":"channel_occupied","channel":"c"}`, "app_id: must be a string, not 7"},
		{`{"app_id":"my-app","name":"subscription_count","channel":"c","subscription_count":"7"}`, "subscription_count"},
		{`{"app_id":"my-app","name":"subscription_count","channel":"c","subscription_count":-1}`, "subscription_count is -1"},
		{`{"app_id":"my-app","name":"subscription_count","channel":"presence-c","subscription_count":1}`, "presence"},
		{`{"app_id":"my-app","name":"member_added","channel":"presence-c"}`, "user_id is empty"},
		{`{"app_id":"my-app","name":"client_event","channel":"c","data":"x"}`, "event is empty"},
		{`{"app_id":"my-app","name":"channel_occupied","channel":"c","user_id":"u"}`, "user_id is set"},
		{`{"app_id":"my-app","name":"member_added","channel":"chat","user_id":"u"}`, `member_added is for presence channels`},
		{`{"app_id":"my-app","name":"member_added","channel":"presence-c","user_id":1.5}`, "user_id: must be a string or a whole number, not 1.5"},
		{`{"app_id":"my-app","name":"client_event","channel":"private-c","event":"typing"}`, `begins with "client-"`},
		{`{"app_id":"my-app","name":"cache_miss","channel":"c"}`, "cache_miss is for cache channels"},
		{`{"app_id":"my-app","name":"member_updated","channel":"presence-c","user_id":"u","user_info":` + strings.Repeat("[", 98) + strings.Repeat("]", 98) + `}`, "user_info nests 98 levels deep"},
		{`{"app_id":"my-app","name":"member_updated","channel":"presence-c","user_id":"u","user_info":1e999}`, "user_info has the number 1e999"},
		{`{"app_id":"my-app","name":"channel_occupied","channel":"c","extra":{"a":1}}`, "extra is set, channel_occupied does not have it"},
		{`{"app_id":"other","name":"channel_occupied","channel":"c"}`, `app_id "other" is not configured`},
		{clientEvent(191 << 10), "at most 194560 can be sent"},
		{clientEvent(maxLine), "longer than 2097152 bytes"},
		{strings.Repeat("x", 3*maxLine), "longer than 2097152 bytes"},
	}
	var input strings.Builder
	for i, b := range bad {
		input.WriteString(b.line + "\n" + occupied(fmt.Sprint("good-", i)))
	}
	s := newSink(t)
	got := relayed(t, strings.NewReader(input.String()), "-config", writeConfig(t, nil, nil, testApp(hookTo(s.URL))))
	n := int64(len(bad))
	got.want(exitOK, totals{Emitted: n, Invalid: n, Matched: n, Delivered: n, Attempts: got.Attempts})

	reports := strings.Split(strings.TrimSpace(got.stderr), "\n")
	if len(reports) != len(bad) {
		t.Fatalf("%d reports of %d bad lines:\n%s", len(reports), len(bad), got.stderr)
	}
	for i, b := range bad {
		if want := fmt.Sprintf("line %d: ", 2*i+1); !strings.HasPrefix(reports[i], want) || strings.Count(reports[i], "line ") != 1 || !strings.Contains(reports[i], b.why) {
			t.Errorf("%.60s is reported as %q; want %q and %q", b.line, reports[i], want, b.why)
		}
		if len(reports[i]) > 500 {
			t.Errorf("%.60s has a report of %d bytes", b.line, len(reports[i]))
		}
	}
}

func clientEvent(size int) string {
	return fmt.Sprintf(`{"app_id":%q,"name":"client_event","channel":"private-c","event":"client-x","data":%q,"socket_id":"1.2"}`,
		appID, strings.Repeat("x", size))
}

func TestLineEndsAndEmptyLines(t *testing.T) {
	t.Parallel()
	for name, input := range map[string]string{
		"LF":         occupied("a") + occupied("b"),
		"CRLF":       strings.ReplaceAll(occupied("a")+"\n"+occupied("b"), "\n", "\r\n"),
		"no last LF": occupied("a") + strings.TrimSpace(occupied("b")),
		"empty":      "\n\n" + occupied("a") + "\n \t\r\n" + occupied("b") + "\n\n",
		"padded":     "  " + occupied("a") + "\t" + occupied("b"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSink(t)
			got := relayed(t, iotest.OneByteReader(strings.NewReader(input)), "-config", writeConfig(t, nil, nil, testApp(hookTo(s.URL))))
			got.want(exitOK, totals{Emitted: 2, Matched: 2, Delivered: 2, Attempts: got.Attempts})
			if got.stderr != "" {
				t.Errorf("the log is %q", got.stderr)
			}
		})
	}
	relayed(t, strings.NewReader(""), "-config", writeConfig(t, nil, nil)).want(exitOK, totals{})
}

// Empty lines are nothing, but they count where lines are numbered.
func TestEmptyLinesAreNumbered(t *testing.T) {
	t.Parallel()
	got := relayed(t, strings.NewReader("\r\n\n"+`{"app_id":"x"}`), "-config", writeConfig(t, nil, nil))
	got.want(exitOK, totals{Invalid: 1})
	got.says("line 3: ")
}

func TestOwnTypesHaveOwnFields(t *testing.T) {
	t.Parallel()
	r := webhooktest.NewReceiver(t, testKey)
	hook := hookTo(r.URL)
	hook["event_types"] = []string{"order_paid", "member_added"}
	input := `{"app_id":"my-app","name":"order_paid","channel":"orders","extra":{"total":5.50,"items":[{"sku":"a"}]}}
{"app_id":"my-app","name":"order_paid","channel":"orders","extra":{"channel":"x"}}
{"app_id":"my-app","name":"order_paid","channel":"orders","total":5}
{"app_id":"my-app","name":"member_added","channel":"presence-c","user_id":12345678901234567890}
`
	got := relayed(t, strings.NewReader(input), "-config", writeConfig(t, nil, object{"custom_event_types": []string{"order_paid"}}, testApp(hook)))
	got.want(exitOK, totals{Emitted: 2, Invalid: 2, Matched: 2, Delivered: 2, Attempts: 1})
	got.says("line 2: ", `extra has the member "channel"`, "line 3: ", "total: unknown field")
	events := r.WaitEvents(2, time.Second)
	if want := `{"total":5.50,"items":[{"sku":"a"}]}`; events[0].Extra != want || events[1].UserID != "12345678901234567890" {
		t.Errorf("got %+v", events)
	}
	if want := `{"name":"order_paid","channel":"orders","total":5.50,"items":[{"sku":"a"}]}`; !strings.Contains(string(r.Deliveries()[0].Body), want) {
		t.Errorf("sent %s", r.Deliveries()[0].Body)
	}
}

func TestInputThatBreaksOffIsReported(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	input := io.MultiReader(strings.NewReader(occupied("a")+`{"app_id":`), iotest.ErrReader(errors.New("the disk is gone")))
	got := relayed(t, input, "-config", writeConfig(t, nil, nil, testApp(hookTo(s.URL))))
	got.want(exitOK, totals{Emitted: 1, Invalid: 1, Matched: 1, Delivered: 1, Attempts: 1})
	got.says("line 2: the disk is gone")
}

// An event may hold 190 KiB, and be six times as long where every character is escaped.
func TestLargeClientEventsArriveWhole(t *testing.T) {
	t.Parallel()
	r := webhooktest.NewReceiver(t, testKey)
	plain := strings.Repeat("ab", 75<<10)
	escaped := strings.Repeat(`\u0061`, 189<<10)
	object := `{"text":"` + strings.Repeat("é", 50<<10) + `"}`
	const line = `{"app_id":"my-app","name":"client_event","channel":"private-c","event":"client-x","data":%s,"socket_id":"1.2"}` + "\n"
	input := fmt.Sprintf(line, `"`+plain+`"`) + fmt.Sprintf(line, `"`+escaped+`"`) + fmt.Sprintf(line, object)
	got := relayed(t, strings.NewReader(input), "-config", writeConfig(t, nil, nil, testApp(hookTo(r.URL))))
	got.want(exitOK, totals{Emitted: 3, Matched: 3, Delivered: 3, Attempts: got.Attempts})
	found := map[string]bool{}
	for _, e := range r.WaitEvents(3, time.Second) {
		found[e.Data] = true
	}
	if !found[plain] || !found[strings.Repeat("a", 189<<10)] || !found[object] {
		t.Errorf("the data of %d events differs from what was read", 3-len(found))
	}
}

func TestHundredThousandEventsArriveOnce(t *testing.T) {
	t.Parallel()
	const n = 100_000
	s := newSink(t)
	began := time.Now()
	got := relayed(t, numberedLines(0, n), "-config", writeConfig(t, nil, nil, testApp(hookTo(s.URL))))
	got.want(exitOK, totals{Emitted: n, Matched: n, Delivered: n, Attempts: got.Attempts})
	s.wantNumbered(t, n)
	s.wantOnce(t)
	t.Logf("%d events in %v, %d requests", n, time.Since(began).Round(time.Millisecond), got.Attempts)
}
