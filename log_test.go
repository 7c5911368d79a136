package webhook

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/oneline"
	"github.com/pushhooks/webhook/queue"
)

// foul is a text of 60 KB with line breaks, escape codes and bytes that are not UTF-8.
var foul = strings.Repeat("name\r\n\x1b[31m\x00\xff\u202e", 4000)

// wantClean fails the test unless a text is one short line.
func wantClean(t *testing.T, what, text string) {
	t.Helper()
	if len(text) > oneline.Max+100 || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("%s has %d bytes: %.200q", what, len(text), text)
	}
}

// jsonLog has the emitter write all of its lines to a buffer, as JSON.
func jsonLog(to *logBuffer) func(*Options) {
	return func(o *Options) {
		o.Logger = slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
}

// lines returns the lines that were written.
func (b *logBuffer) lines(t *testing.T) []map[string]any {
	t.Helper()
	var list []map[string]any
	for line := range strings.Lines(b.String()) {
		var attrs map[string]any
		if err := json.Unmarshal([]byte(line), &attrs); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		list = append(list, attrs)
	}
	return list
}

// checkLines fails the test unless each line's texts are clean, its message is documented, and what
// is about a webhook has the attributes that all have.
func checkLines(t *testing.T, b *logBuffer) (messages []string) {
	t.Helper()
	page, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range b.lines(t) {
		message := line["msg"].(string)
		messages = append(messages, message)
		if !strings.Contains(string(page), "\n| `"+message+"` |") {
			t.Errorf("docs/operations.md has no row for %q", message)
		}
		for name, value := range line {
			text, _ := value.(string)
			if name == "stack" {
				continue
			}
			wantClean(t, message+"'s "+name, text)
			if name == "lane" || name == "n" {
				t.Errorf("%q has the attribute %s", message, name)
			}
		}
		_, app := line["app"]
		_, webhook := line["webhook"]
		_, target := line["target"]
		if app != webhook || app != target || !app && line["job"] != nil {
			t.Errorf("%q has no app, webhook or target: %v", message, line)
		}
		if target && strings.ContainsAny(line["target"].(string), "?@") {
			t.Errorf("%q has the target %v", message, line["target"])
		}
	}
	return messages
}

// TestTheTableOfLinesHasThemAll compares the table with the constants of this package that begin
// with "line" and the messages that are written.
func TestTheTableOfLinesHasThemAll(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for row := range strings.Lines(string(page)) {
		if message, ok := strings.CutPrefix(row, "| `webhook "); ok {
			cells := strings.Split(strings.TrimSpace(row), "|")
			if len(cells) != 6 || strings.TrimSpace(cells[4]) == "" {
				t.Errorf("the row has %d cells, or no advice: %s", len(cells), row)
			}
			message, _, _ = strings.Cut(message, "`")
			listed = append(listed, "webhook "+message)
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "line") && len(spec.Values) == 1 {
				if text := constantText(spec.Values[0]); text != "" {
					written = append(written, text)
				}
			}
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "line" && len(call.Args) > 1 && constantText(call.Args[1]) != "" {
					t.Errorf("%s writes a line with a message of its own: %s", name, constantText(call.Args[1]))
				}
			}
			return true
		})
	}
	slices.Sort(listed)
	slices.Sort(written)
	if !slices.Equal(listed, written) || len(written) < 15 {
		t.Errorf("the table has\n%s\nand the code writes\n%s", strings.Join(listed, "\n"), strings.Join(written, "\n"))
	}
}

// constantText returns the text of literals, also if they are added up.
func constantText(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value)
		return text
	case *ast.BinaryExpr:
		return constantText(e.X) + constantText(e.Y)
	}
	return ""
}

// wantMessages fails the test unless each message was logged.
func wantMessages(t *testing.T, got []string, want ...string) {
	t.Helper()
	for _, message := range want {
		if !slices.Contains(got, message) {
			t.Errorf("no line %q; there are %q", message, slices.Compact(slices.Sorted(slices.Values(got))))
		}
	}
}

func TestLinesAboutAWebhookHaveTheSameAttributes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &logBuffer{}
		q := rig(t, queue.MemoryOptions{})
		var mu sync.Mutex
		answer := answers(status(500))
		refuse := map[string]error{}
		sent := func(f func(context.Context, *dispatch.Request) dispatch.Outcome) {
			mu.Lock()
			defer mu.Unlock()
			answer = f
		}
		q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
			mu.Lock()
			err := refuse["job"]
			delete(refuse, "job")
			mu.Unlock()
			if err != nil {
				var failed *queue.BatchError
				return failed.Fail(0, err)
			}
			return q.Memory.Enqueue(ctx, jobs)
		}
		q.onAck = func(ctx context.Context, leases []queue.Lease) error {
			mu.Lock()
			err := refuse["ack"]
			delete(refuse, "ack")
			mu.Unlock()
			if err != nil {
				return err
			}
			return q.Memory.Ack(ctx, leases)
		}
		a := testApp("http://user:password@receiver.test/hook?token=secret")
		a.ID = "an/app" // whose lane has two slashes
		to := &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			mu.Lock()
			f := answer
			mu.Unlock()
			return f(ctx, r)
		}}
		e := start(t, to, with(q), unbatched, apps(a), jsonLog(b))
		ev := ChannelOccupied("an/app", "c")
		emit(t, e, ev)
		time.Sleep(30 * time.Minute) // a dead letter, after holds
		sent(answers(status(200)))
		emit(t, e, ev) // it works again
		time.Sleep(5 * time.Minute)
		sent(func(context.Context, *dispatch.Request) dispatch.Outcome { panic(foul) })
		emit(t, e, ev)
		time.Sleep(time.Second)
		sent(answers(status(200)))
		for _, err := range []error{queue.ErrTooLarge, queue.ErrFull} {
			mu.Lock()
			refuse["job"] = err
			mu.Unlock()
			emit(t, e, ev)
			time.Sleep(time.Minute)
		}
		mu.Lock()
		refuse["ack"] = queue.ErrLeaseLost
		mu.Unlock()
		emit(t, e, ev)
		time.Sleep(time.Minute)
		messages := checkLines(t, b)
		wantMessages(t, messages, lineFailing, lineStill,
			"webhook attempt failed", "webhook job dead-lettered", "webhook is held: it gets no attempts for a while",
			"webhook works again", "webhook delivered", "webhook panic recovered", "webhook events dropped",
			"webhook job refused by the queue; it is offered again",
			"webhook job's lease ended before it was settled; it may be delivered again")
	})
}

func TestTheQueuesRecoveryIsLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &logBuffer{}
		q := rig(t, queue.MemoryOptions{})
		var mu sync.Mutex
		var away error
		fails := func() error {
			mu.Lock()
			defer mu.Unlock()
			return away
		}
		set := func(err error) {
			mu.Lock()
			defer mu.Unlock()
			away = err
		}
		q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
			if err := fails(); err != nil {
				return err
			}
			return q.Memory.Enqueue(ctx, jobs)
		}
		q.onReceive = func(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if err := fails(); err != nil {
				return nil, err
			}
			leases, err := q.Memory.Receive(ctx, w)
			if errors.Is(err, context.DeadlineExceeded) {
				err = nil
			}
			return leases, err
		}
		e := start(t, &endpoint{}, with(q), unbatched, jsonLog(b))
		for _, outage := range []time.Duration{20 * time.Second, time.Minute} {
			emit(t, e, occupied(1))
			time.Sleep(10 * time.Second)
			set(errors.New("connection refused: " + foul))
			emit(t, e, occupied(2))
			time.Sleep(outage)
			set(nil)
			time.Sleep(10 * time.Second)
		}
		drain(t, e)
		messages := checkLines(t, b)
		wantMessages(t, messages, "webhook queue operation failed")
		var after []time.Duration
		for _, line := range b.lines(t) {
			switch line["msg"] {
			case "webhook queue works again":
				after = append(after, time.Duration(line["after"].(float64)))
				if line["failures"].(float64) < 10 {
					t.Errorf("the line is %v", line)
				}
			case "webhook queue operation failed":
				if line["operation"] == nil || line["failures"] == nil {
					t.Errorf("the line is %v", line)
				}
			}
		}
		if len(after) != 2 || (after[0]-20*time.Second).Abs() > 3*time.Second || (after[1]-time.Minute).Abs() > 3*time.Second {
			t.Errorf("the queue works again after %v, want 20 seconds and a minute", after)
		}
	})
}

func TestAnOutageEndsWithTheLastOperation(t *testing.T) {
	t.Parallel()
	now := time.Now()
	var o outage
	if _, _, over := o.worked("receive", now); over {
		t.Error("there was no outage")
	}
	o.failed("receive", now, true)
	o.failed("enqueue", now.Add(time.Second), false)
	o.failed("set lane", now.Add(time.Second), false)
	if _, _, over := o.worked("receive", now.Add(2*time.Second)); over {
		t.Error("the outage is over while enqueue fails")
	}
	// Nobody calls "set lane" any more.
	if after, failures, over := o.worked("enqueue", now.Add(time.Hour)); !over || after != time.Hour || failures != 3 {
		t.Errorf("the outage is over: %v, after %v and %d failures", over, after, failures)
	}
	o.failed("receive", now, false)
	if _, _, over := o.worked("receive", now); over {
		t.Error("the end is told of an outage that was not")
	}
}

// foulCertificate is a certificate for very many hosts, with line breaks and escape codes in their
// names, signed by itself.
func foulCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Repeat([]string{strings.Repeat("x", 50) + "\n\x1b[31m" + strings.Repeat("y", 40)}, 600)
	cert := x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: names, Subject: pkix.Name{CommonName: names[0]},
	}
	der, err := x509.CreateCertificate(rand.Reader, &cert, &cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestWhatOthersWroteIsCutOnEveryQueue has a receiver with a foul certificate, and one behind a
// host's own sender with foul errors: what is logged, told, stored and listed is one short line.
func TestWhatOthersWroteIsCutOnEveryQueue(t *testing.T) {
	t.Parallel()
	receiver := httptest.NewUnstartedServer(http.NotFoundHandler())
	receiver.TLS = &tls.Config{Certificates: []tls.Certificate{foulCertificate(t)}}
	receiver.Config.ErrorLog = log.New(io.Discard, "", 0)
	receiver.StartTLS()
	t.Cleanup(receiver.Close)
	own := dispatch.SenderFunc(func(context.Context, *dispatch.Request) dispatch.Outcome {
		return dispatch.Outcome{Reason: foul[:2000], Err: errors.New(foul), Response: foul}
	})
	for name, change := range map[string]func(*Options){
		"TLS":        func(o *Options) { o.HTTP = nil },
		"own sender": func(o *Options) { o.HTTP = own },
		"panic": func(o *Options) {
			o.HTTP = dispatch.SenderFunc(func(context.Context, *dispatch.Request) dispatch.Outcome { panic(foul) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onRealStores(t, func(t *testing.T, q *written) {
				b := &logBuffer{}
				var mu sync.Mutex
				var told []string
				tell := func(texts ...string) {
					mu.Lock()
					defer mu.Unlock()
					told = append(told, texts...)
				}
				a := testApp(receiver.URL)
				a.Webhooks[0].Retry = Retry{MaxAttempts: 1}
				e := start(t, nil, with(q), apps(a), unbatched, jsonLog(b), change, func(o *Options) {
					o.Trace = &Trace{
						Attempted:    func(i AttemptedInfo) { tell(i.Outcome.Reason, i.Outcome.Err.Error(), i.Outcome.Response) },
						DeadLettered: func(i DeadLetteredInfo) { tell(i.Reason) },
						LaneChanged:  func(i LaneChangedInfo) { tell(i.Reason) },
					}
				})
				for i := range 12 { // ten failures hold the webhook
					emit(t, e, occupied(i))
				}
				lanes := q.listing.(queue.LaneLister)
				var held []queue.LaneInfo
				eventually(t, "the webhook is held", func() bool {
					var err error
					if held, err = lanes.Lanes(t.Context(), "", 10); err != nil {
						t.Fatal(err)
					}
					return len(held) == 1 && held[0].Holds > 0 && e.Stats().Dead >= 10 && strings.Contains(b.String(), "webhook is held")
				})
				wantClean(t, "the lane's reason", held[0].Reason)
				if n := len(held[0].Reason); n == 0 || n > queue.MaxReasonBytes {
					t.Errorf("the lane's reason has %d bytes", n)
				}
				for d, err := range e.DeadLetters(t.Context(), DeadLetterQuery{}) {
					if err != nil {
						t.Fatal(err)
					}
					wantClean(t, "the dead letter's reason", d.Reason)
				}
				for _, d := range deadLetters(t, e) {
					if wantClean(t, "the stored reason", d.Reason); len(d.Reason) > oneline.Max {
						t.Errorf("the stored reason has %d bytes", len(d.Reason))
					}
				}
				if err := e.Close(); err != nil {
					t.Log(err)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, text := range told {
					wantClean(t, "what Trace was told", text)
				}
				wantMessages(t, checkLines(t, b), "webhook job dead-lettered", "webhook is held: it gets no attempts for a while")
			})
		})
	}
}

func TestAQueuesErrorsAreCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &logBuffer{}
		q := &foulQueue{Memory: memory(t, queue.MemoryOptions{})}
		e := start(t, &endpoint{}, with(q), unbatched, jsonLog(b))
		err := e.EmitSync(t.Context(), occupied(1), occupied(2))
		var batch *queue.BatchError
		if !errors.As(err, &batch) || !errors.Is(err, queue.ErrTooLarge) {
			t.Fatalf("EmitSync: %v", err)
		}
		wantClean(t, "EmitSync's error", err.Error())
		for _, err := range batch.Failed {
			wantClean(t, "an event's error", err.Error())
		}
		for name, f := range map[string]func() error{
			"DeadLetters": func() (err error) {
				for _, err = range e.DeadLetters(t.Context(), DeadLetterQuery{}) {
				}
				return err
			},
			"Replay":  func() error { _, err := e.Replay(t.Context(), DeadLetterQuery{IDs: []string{"x"}}); return err },
			"Discard": func() error { _, err := e.Discard(t.Context(), DeadLetterQuery{IDs: []string{"x"}}); return err },
		} {
			if err := f(); err == nil {
				t.Errorf("%s returned no error", name)
			} else {
				wantClean(t, name+"'s error", err.Error())
			}
		}
		time.Sleep(10 * time.Second)
		wantMessages(t, checkLines(t, b), "webhook events dropped", "webhook queue operation failed")
	})
}

// foulQueue is a queue whose errors are foul.
type foulQueue struct{ *queue.Memory }

func (q *foulQueue) Enqueue(_ context.Context, jobs []queue.Job) error {
	var failed *queue.BatchError
	for i := range jobs {
		failed = failed.Fail(i, errors.Join(queue.ErrTooLarge, errors.New(foul)))
	}
	return failed.Err()
}

func (q *foulQueue) Receive(context.Context, queue.Want) ([]queue.Lease, error) {
	return nil, errors.New(foul)
}

func (q *foulQueue) DeadLetters(context.Context, string, int) ([]queue.DeadLetter, error) {
	return nil, errors.New(foul)
}

func (q *foulQueue) Discard(context.Context, []string) (int, error) { return 0, errors.New(foul) }
