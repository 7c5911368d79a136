package sqsqueue

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/testsqs"
	"github.com/pushhooks/webhook/queue"
)

// buryMany makes dead letters, one a second.
func buryMany(t *testing.T, q *Queue, n int) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(16)
	start := time.Now().Add(-time.Hour)
	for i := range n {
		group.Go(func() error {
			return q.store.Bury(t.Context(), queue.DeadLetter{
				Job: makeJobs("a", false, fmt.Sprint("d", i))[0], Reason: "gone", Attempts: 1, At: start.Add(time.Duration(i) * time.Second),
			})
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// walkPages lists all dead letters and counts how often each is listed. Between the pages it calls
// between.
func walkPages(t *testing.T, q *Queue, limit int, between func(page []queue.DeadLetter)) map[string]int {
	t.Helper()
	seen := make(map[string]int)
	for after, pages := "", 0; ; pages++ {
		page, err := q.DeadLetters(t.Context(), after, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return seen
		}
		if len(page) > limit || pages > 1000 {
			t.Fatalf("page %d has %d letters; want at most %d, and an end", pages, len(page), limit)
		}
		for _, l := range page {
			seen[l.ID]++
		}
		after = page[len(page)-1].ID
		between(page)
	}
}

func wantOnce(t *testing.T, seen map[string]int, n int) {
	t.Helper()
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s is listed %d times", id, times)
		}
	}
	if len(seen) != n {
		t.Errorf("%d letters are listed; want %d", len(seen), n)
	}
}

// hiddenIn counts the messages of a queue that nobody can receive now.
func hiddenIn(f *fake, url string) (n int) {
	f.see(url, func(messages []*fakeMessage) {
		for _, m := range messages {
			if m.visible.After(time.Now()) {
				n++
			}
		}
	})
	return n
}

func TestListingOfManyDeadLettersEnds(t *testing.T) {
	for _, n := range []int{250, 1000, 1500, 3700} {
		for _, limit := range []int{100, 333} {
			t.Run(fmt.Sprintf("%d by %d", n, limit), func(t *testing.T) {
				virtual(t, Options{DeadLetterQueueURL: fakeDeadURL}, func(t *testing.T, f *fake, q *Queue) {
					buryMany(t, q, n)
					most := 0
					for range 2 {
						wantOnce(t, walkPages(t, q, limit, func([]queue.DeadLetter) {
							for _, w := range q.walks.list {
								most = max(most, len(w.unlisted))
							}
						}), n)
					}
					if hidden := hiddenIn(f, fakeDeadURL); hidden > 0 {
						t.Errorf("%d letters are still hidden", hidden)
					}
					if most > maxLetters+maxEntries {
						t.Errorf("%d letters were in memory; want at most %d", most, maxLetters+maxEntries)
					}
				})
			})
		}
	}
}

// Replaying a page after the next one was listed is what Emitter.ReplayAll does.
func TestManyDeadLettersAreSettledPageByPage(t *testing.T) {
	const n = 2500
	for name, settle := range map[string]func(t *testing.T, q *Queue, page []queue.DeadLetter) (int, error){
		"Replay": func(t *testing.T, q *Queue, page []queue.DeadLetter) (int, error) {
			var replays []queue.Replayed
			for _, l := range page {
				replays = append(replays, queue.Replayed{ID: l.ID, Job: makeJobs("a", false, l.ID+"~1")[0]})
			}
			return q.Replay(t.Context(), replays)
		},
		"Discard": func(t *testing.T, q *Queue, page []queue.DeadLetter) (int, error) {
			var ids []string
			for _, l := range page {
				ids = append(ids, l.ID)
			}
			return q.Discard(t.Context(), ids)
		},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, Options{DeadLetterQueueURL: fakeDeadURL}, func(t *testing.T, f *fake, q *Queue) {
				buryMany(t, q, n)
				total, start := 0, time.Now()
				settlePage := func(page []queue.DeadLetter) {
					k, err := settle(t, q, page)
					if err != nil {
						t.Fatal(err)
					}
					total += k
				}
				var last []queue.DeadLetter
				wantOnce(t, walkPages(t, q, 100, func(page []queue.DeadLetter) {
					if last != nil {
						settlePage(last)
					}
					last = page
				}), n)
				settlePage(last)
				if total != n || len(f.jobs(fakeDeadURL)) > 0 {
					t.Errorf("%d letters were settled, %d are left", total, len(f.jobs(fakeDeadURL)))
				}
				if name == "Replay" && len(f.jobs(fakeURL)) != n {
					t.Errorf("%d jobs; want %d", len(f.jobs(fakeURL)), n)
				}
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
				if calls := f.called("ReceiveMessage"); calls > n/5 {
					t.Errorf("%d receive calls for %d letters", calls, n)
				}
			})
		})
	}
}

func TestLettersBeyondTheFirstThousandAreFoundByID(t *testing.T) {
	virtual(t, Options{DeadLetterQueueURL: fakeDeadURL}, func(t *testing.T, f *fake, q *Queue) {
		buryMany(t, q, 1500)
		if n, err := q.Discard(t.Context(), []string{"d1", "d1499", "no-such-letter"}); n != 2 || err != nil {
			t.Errorf("Discard returned %d, %v; want 2", n, err)
		}
		if left, hidden := len(f.jobs(fakeDeadURL)), hiddenIn(f, fakeDeadURL); left != 1498 || hidden > 0 {
			t.Errorf("%d letters are left, %d of them hidden; want 1,498 and none", left, hidden)
		}
	})
}

func TestListingThatNobodyContinuesIsGivenBack(t *testing.T) {
	virtual(t, Options{DeadLetterQueueURL: fakeDeadURL}, func(t *testing.T, f *fake, q *Queue) {
		buryMany(t, q, 900)
		page, err := q.DeadLetters(t.Context(), "", 100)
		if err != nil || hiddenIn(f, fakeDeadURL) != 900 {
			t.Fatalf("%d letters are hidden during the listing, %v; want 900", hiddenIn(f, fakeDeadURL), err)
		}
		time.Sleep(lookIdle + time.Second)
		if n := hiddenIn(f, fakeDeadURL); n > 0 {
			t.Errorf("%d letters are still hidden", n)
		}
		// The last one is gone meanwhile, and the listing goes on behind it.
		after := page[99].ID
		if n, err := openFake(t, f, Options{DeadLetterQueueURL: fakeDeadURL}).Discard(t.Context(), []string{after}); n != 1 || err != nil {
			t.Fatalf("Discard returned %d, %v", n, err)
		}
		seen := make(map[string]int)
		for {
			page, err := q.DeadLetters(t.Context(), after, 100)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, l := range page {
				seen[l.ID]++
			}
			after = page[len(page)-1].ID
			time.Sleep(lookIdle + time.Second)
		}
		wantOnce(t, seen, 800)
		if page, err := q.DeadLetters(t.Context(), "listed-by-nobody", 100); len(page) > 0 || err != nil {
			t.Errorf("%d letters come after one that does not exist, %v", len(page), err)
		}
	})
}

func TestCloseGivesBackWhatAListingHides(t *testing.T) {
	virtual(t, Options{DeadLetterQueueURL: fakeDeadURL}, func(t *testing.T, f *fake, q *Queue) {
		buryMany(t, q, 50)
		if _, err := q.DeadLetters(t.Context(), "", 10); err != nil {
			t.Fatal(err)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		if n := hiddenIn(f, fakeDeadURL); n > 0 {
			t.Errorf("%d letters are still hidden", n)
		}
		if _, err := q.DeadLetters(t.Context(), "", 10); !errors.Is(err, queue.ErrClosed) {
			t.Errorf("DeadLetters returned %v; want ErrClosed", err)
		}
	})
}

func TestListingGoesOnAfterAnError(t *testing.T) {
	virtual(t, Options{DeadLetterQueueURL: fakeDeadURL}, func(t *testing.T, f *fake, q *Queue) {
		const n = 1500
		buryMany(t, q, n)
		var looks atomic.Int32
		f.setFail(func(method, _ string) error {
			if method == "ReceiveMessage" && looks.Add(1) == 110 { // in the second thousand
				return errInjected
			}
			return nil
		})
		seen := make(map[string]int)
		for after, failed := "", 0; ; {
			page, err := q.DeadLetters(t.Context(), after, 100)
			if err != nil {
				if failed++; failed > 1 {
					t.Fatal(err)
				}
				continue
			}
			if len(page) == 0 {
				break
			}
			for _, l := range page {
				seen[l.ID]++
			}
			after = page[len(page)-1].ID
		}
		wantOnce(t, seen, n)
	})
}

func TestDeadLettersOfOthersAreLeftAlone(t *testing.T) {
	virtual(t, Options{DeadLetterQueueURL: fakeDeadURL}, func(t *testing.T, f *fake, q *Queue) {
		newer := encode(makeJobs("a", false, "newer")[0], full)
		newer.set(attrVersion, "2")
		other := encode(makeJobs("a", false, "x")[0], full)
		clear(other.attrs)
		f.mu.Lock()
		for _, e := range []encoded{newer, other} {
			f.put(f.queues[fakeDeadURL], e.entry())
		}
		f.mu.Unlock()
		buryMany(t, q, 1)
		wantOnce(t, walkPages(t, q, 10, func(page []queue.DeadLetter) {
			for _, l := range page {
				if n, err := q.Discard(t.Context(), []string{l.ID}); n != 1 || err != nil {
					t.Errorf("Discard returned %d, %v", n, err)
				}
			}
		}), 1)
		wantJobs(t, f, fakeDeadURL, "newer", "")
		if n := hiddenIn(f, fakeDeadURL); n > 0 {
			t.Errorf("%d letters are still hidden", n)
		}
	})
}

// giveUp has an emitter put n jobs into the queue, and makes dead letters of them.
func giveUp(t *testing.T, q *Queue, em *webhook.Emitter, n int) {
	t.Helper()
	for i := range n {
		if err := em.Emit(webhook.ChannelOccupied("a", fmt.Sprint("c", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := em.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var group errgroup.Group
	group.SetLimit(16)
	for got := 0; got < n; {
		for _, l := range receive(t, q, all(100), testTimeout) {
			got++
			group.Go(func() error { return q.DeadLetter(t.Context(), l, "gone") })
		}
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestReplayAllReplaysManyDeadLetters(t *testing.T) {
	t.Parallel()
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprint("FIFO=", fifo), func(t *testing.T) {
			t.Parallel()
			const n = 1500
			opts := testOptions()
			opts.FIFO, opts.VisibilityTimeout = fifo, time.Minute
			q := openTest(t, testsqs.Client(testsqs.Start(t)), opts)
			em, err := webhook.New(webhook.Options{
				Queue: q, EmitOnly: true, Batching: webhook.Batching{Disabled: true}, Logger: slog.New(slog.DiscardHandler),
				Apps: []webhook.App{{ID: "a", Key: "k", Secret: "s", Webhooks: []webhook.Webhook{{
					URL: "https://receiver.test", EventTypes: []webhook.EventType{webhook.TypeChannelOccupied},
				}}}},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer em.Close()
			giveUp(t, q, em, n)
			listed := 0
			for _, err := range em.DeadLetters(t.Context(), webhook.DeadLetterQuery{}) {
				if err != nil {
					t.Fatal(err)
				}
				listed++
			}
			start := time.Now()
			replayed, err := em.Replay(t.Context(), webhook.DeadLetterQuery{})
			t.Logf("listed %d, replayed %d in %v", listed, replayed, time.Since(start))
			if err != nil {
				t.Fatal(err)
			}
			left, err := q.store.count(t.Context(), q.store.deadURL)
			if err != nil {
				t.Fatal(err)
			}
			// An answer of the server may be lost, which hides ten letters for five minutes.
			if listed < n-100 || replayed < n-100 || replayed+left.Visible+left.Hidden != n {
				t.Errorf("%d were listed and %d replayed, %+v are left; want %d", listed, replayed, left, n)
			}
			got := make(map[string]bool)
			for len(got) < replayed {
				for _, l := range receive(t, q, all(100), testTimeout) {
					got[l.ID] = true
					ack(t, q, l)
				}
			}
		})
	}
}
