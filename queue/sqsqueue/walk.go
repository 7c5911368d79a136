package sqsqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/smithy-go"

	"github.com/pushhooks/webhook/internal/flatqueue"
	"github.com/pushhooks/webhook/queue"
)

const (
	maxLetters     = 1000 // that a walk has to list, at a time
	maxLetterBytes = 64 << 20
	maxHidden      = 20_000          // that a walk hides
	lookTimeout    = 5 * time.Minute // for which nobody else sees them if this process dies
	lookWait       = time.Second     // in which SQS asks all of its servers
	lookIdle       = 5 * time.Second // after which a walk that nobody continues ends
	giveBackLimit  = 5 * time.Second
	giveBackTries  = 3
	maxWalks       = 16
)

// walk is a way through the dead letters. It hides what it has received until it is given back, so
// that SQS returns others.
type walk struct {
	store    *store
	hidden   map[string]letter // by SQS's ID, without their Data and Reason
	unlisted []letter          // oldest first
	bytes    int               // of Data in unlisted
	ended    bool              // SQS has no more

	after string    // letters up to the one with this ID, in their order, are not listed
	at    time.Time // when that one was given up; zero: not known yet

	listed letter    // the one that was listed last
	used   time.Time // when the walk was continued last
	timer  *time.Timer
}

// isOver reports whether everything was listed.
func (w *walk) isOver() bool { return w.ended && len(w.unlisted) == 0 }

// isIdle reports whether nobody has continued the walk for lookIdle.
func (w *walk) isIdle() bool { return time.Since(w.used) >= lookIdle }

// page lists the next letters, up to limit. With an error it returns those that it has listed
// before.
func (w *walk) page(ctx context.Context, limit int) (list []queue.DeadLetter, err error) {
	listed := make(map[string]bool) // SQS may have more than one with the same ID
	for len(list) < limit {
		if len(w.unlisted) == 0 {
			if w.ended {
				break
			}
			if err := w.fill(ctx); err != nil {
				return list, err
			}
			continue
		}
		l := w.unlisted[0]
		w.unlisted[0] = letter{}
		w.unlisted = w.unlisted[1:]
		w.bytes -= len(l.Data)
		if listed[l.ID] {
			continue
		}
		listed[l.ID] = true
		list = append(list, l.DeadLetter)
		w.listed = l.withoutData()
	}
	return list, nil
}

// fill receives letters to list until there are enough, or no more.
func (w *walk) fill(ctx context.Context) error {
	for !w.ended && len(w.unlisted) < maxLetters && w.bytes < maxLetterBytes {
		letters, err := w.receive(ctx)
		if err != nil {
			return err
		}
		for _, l := range letters {
			w.bytes += len(l.Data)
			w.unlisted = append(w.unlisted, l)
		}
	}
	slices.SortStableFunc(w.unlisted, compareLetters)
	w.skip()
	return nil
}

// skip leaves out what comes before w.after in the order of the letters, that one included.
func (w *walk) skip() {
	if w.after == "" {
		return
	}
	if w.at.IsZero() {
		i := slices.IndexFunc(w.unlisted, func(l letter) bool { return l.ID == w.after })
		if i < 0 {
			w.unlisted, w.bytes = nil, 0
			return
		}
		w.at = w.unlisted[i].At
	}
	from := letter{DeadLetter: queue.DeadLetter{Job: queue.Job{ID: w.after}, At: w.at}}
	w.unlisted = slices.DeleteFunc(w.unlisted, func(l letter) bool {
		skipped := compareLetters(l, from) <= 0
		if skipped {
			w.bytes -= len(l.Data)
		}
		return skipped
	})
}

// find receives letters until it has those with these IDs, but looks at maxLetters at least,
// because SQS may have more than one with the same ID.
func (w *walk) find(ctx context.Context, wanted map[string]bool) (found []letter, err error) {
	missing := len(wanted)
	seen := make(map[string]bool, missing)
	for !w.ended && (missing > 0 || len(w.hidden) < maxLetters) {
		letters, err := w.receive(ctx)
		if err != nil {
			return nil, err
		}
		for _, l := range letters {
			if !wanted[l.ID] {
				continue
			}
			found = append(found, l.withoutData())
			if !seen[l.ID] {
				seen[l.ID] = true
				missing--
			}
		}
	}
	return found, nil
}

// receive makes one receive call and returns the letters that the walk has not had.
func (w *walk) receive(ctx context.Context) (letters []letter, err error) {
	messages, err := w.store.receive(ctx, w.store.deadURL, maxEntries, lookWait, lookTimeout)
	var api smithy.APIError
	switch {
	case errors.As(err, &api) && lastWord(api.ErrorCode()) == "OverLimit": // SQS hides no more
		w.ended = true
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look at the dead letters: %w", err)
	}
	if w.hidden == nil {
		w.hidden = make(map[string]letter)
	}
	before := len(w.hidden)
	for _, raw := range messages {
		l, ours := toLetter(raw)
		if _, had := w.hidden[l.message]; ours && !had {
			letters = append(letters, l)
		}
		w.hidden[l.message] = l.withoutData() // the newest handle counts
	}
	w.ended = len(w.hidden) == before || len(w.hidden) >= maxHidden
	return letters, nil
}

// giveBack makes all letters of the walk visible again. What fails is visible after lookTimeout.
func (w *walk) giveBack(limit time.Duration) {
	changes := make([]flatqueue.Change, 0, len(w.hidden))
	for _, l := range w.hidden {
		changes = append(changes, flatqueue.Change{Handle: l.handle})
	}
	w.ended = w.isOver()
	w.hidden, w.unlisted, w.bytes = nil, nil, 0
	if w.timer != nil {
		w.timer.Stop()
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for tries := 0; len(changes) > 0 && tries < giveBackTries; tries++ {
		errs := w.store.changeVisibility(ctx, w.store.deadURL, changes)
		var failed []flatqueue.Change
		for i, err := range errs {
			if err != nil && !errors.Is(err, queue.ErrLeaseLost) {
				failed = append(failed, changes[i])
			}
		}
		changes = failed
	}
}

// forget drops letters that were settled.
func (w *walk) forget(settled []letter) {
	gone := make(map[string]bool, len(settled))
	for _, l := range settled {
		delete(w.hidden, l.message)
		gone[l.message] = true
	}
	w.unlisted = slices.DeleteFunc(w.unlisted, func(l letter) bool {
		if gone[l.message] {
			w.bytes -= len(l.Data)
		}
		return gone[l.message]
	})
}

// withoutData returns what a walk remembers of a letter.
func (l letter) withoutData() letter {
	l.Data, l.Reason = nil, ""
	return l
}

// compareLetters orders letters by when they were given up.
func compareLetters(a, b letter) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
}

// walks are the listings that may be continued, the latest last.
type walks struct{ list []*walk }

// continued returns the walk of which the letter with this ID was listed last, or nil. A walk that
// was given back begins again behind that letter.
func (s *walks) continued(after string) *walk {
	i := slices.IndexFunc(s.list, func(w *walk) bool { return after != "" && w.listed.ID == after })
	if i < 0 {
		return nil
	}
	w := s.list[i]
	s.list = slices.Delete(s.list, i, i+1)
	w.timer.Stop()
	if w.hidden == nil && !w.isOver() {
		return &walk{store: w.store, after: after, at: w.listed.At}
	}
	return w
}

// keep keeps a walk to be continued, and calls idle when nobody has.
func (s *walks) keep(w *walk, idle func()) {
	w.used = time.Now()
	w.timer = time.AfterFunc(lookIdle, idle)
	s.list = append(s.list, w)
	if len(s.list) > maxWalks {
		s.list[0].giveBack(giveBackLimit)
		s.list = slices.Delete(s.list, 0, 1)
	}
}

// find returns the letters with these IDs that walks hide.
func (s *walks) find(wanted map[string]bool) (found []letter) {
	for _, w := range s.list {
		for _, l := range w.hidden {
			if wanted[l.ID] {
				found = append(found, l)
			}
		}
	}
	return found
}

func (s *walks) forget(settled []letter) {
	for _, w := range s.list {
		w.forget(settled)
	}
}

// giveBack ends all walks.
func (s *walks) giveBack(limit time.Duration) {
	for _, w := range s.list {
		w.giveBack(limit)
	}
	s.list = nil
}
