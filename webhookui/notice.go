package webhookui

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/pushhooks/webhook/internal/oneline"
)

// notice tells what came of a request that changed something. The page to which the browser is
// redirected shows it.
type notice struct {
	Failed bool
	Text   string
	Detail string // such as what the receiver answered
	At     time.Time
}

const (
	maxNotices = 64
	noticeTime = 10 * time.Minute
)

// notices keeps the latest notices in memory. Their names cannot be guessed, so that no link can
// show a text of somebody else's on the page.
type notices struct {
	mu     sync.Mutex
	byName map[string]notice
	names  []string // oldest first
}

// add keeps a notice and returns its name. Of a long detail, such as an error that lists all
// webhooks of an app, it keeps what a page shows.
func (s *notices) add(n notice) string {
	n.At, n.Text, n.Detail = time.Now(), oneline.Text(n.Text), oneline.Text(n.Detail)
	name := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName == nil {
		s.byName = map[string]notice{}
	}
	if len(s.names) == maxNotices {
		delete(s.byName, s.names[0])
		s.names = s.names[1:]
	}
	s.byName[name], s.names = n, append(s.names, name)
	return name
}

// get returns the notice of this name, nil if there is none any more.
func (s *notices) get(name string) *notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.byName[name]
	if !ok || time.Since(n.At) > noticeTime {
		return nil
	}
	return &n
}
