package webhookui

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/pushhooks/webhook"
)

const (
	// pageRows is how many webhooks a page of the overview has: with 40 it stays below 100 KB.
	pageRows = 40

	maxSearch = 200 // bytes
)

// overview is the first page.
type overview struct {
	page
	Snap   *snapshot
	Search string
	State  string
	Chips  []chip
	Rows   []row

	First, Last, Found  int // the webhooks on this page, counted from 1, and all that were found
	PageNumber, Pages   int
	PrevLink, NextLink  string
	QueueJobs           int // -1: unknown
	Dead                int // -1: unknown
	OutboxPercent       int64
	Searching, Complete bool
}

// chip is a link that narrows the table to a state.
type chip struct {
	Name, Mark, Link string
	Count            int
	Current          bool
}

// row is a webhook in the table.
type row struct {
	*webhook.WebhookStatus
	Link string // "": it has no page
}

func overviewPage(base page, query url.Values, snap *snapshot) *overview {
	o := &overview{page: base, Snap: snap, QueueJobs: -1, Dead: -1}
	o.Search = strings.TrimSpace(strings.ToValidUTF8(query.Get("q")[:min(len(query.Get("q")), maxSearch)], ""))
	o.State = query.Get("state")
	o.Mark = snap.Mark()
	if snap == nil {
		return o
	}
	if q := snap.Queue; q != nil {
		o.QueueJobs, o.Dead = q.Ready+q.Delayed+q.Leased, q.Dead
	}
	if limit := snap.Process.OutboxLimit; limit > 0 {
		o.OutboxPercent = min(100, (100*snap.Process.OutboxBytes+limit-1)/limit)
	}
	if snap.List != nil {
		o.table(query.Get("page"))
		if n := snap.List.Counts.Failing; n > 0 {
			o.Title = "(" + strconv.Itoa(n) + ") " + o.Title
		}
	}
	return o
}

// table fills in the rows of a page, and the ways to others.
func (o *overview) table(number string) {
	list := o.Snap.List
	o.Chips = o.chips(&list.Counts)
	found := o.find(list.Rows)
	o.Found = len(found)
	o.Searching = o.Search != "" || o.State != ""
	o.Pages = max(1, (len(found)+pageRows-1)/pageRows)
	n, _ := strconv.Atoi(number) // what is no number is the first page
	o.PageNumber = min(max(n, 1), o.Pages)
	first := (o.PageNumber - 1) * pageRows
	for _, s := range found[first:min(first+pageRows, len(found))] {
		o.Rows = append(o.Rows, row{s, webhookLink(s.AppID, s.WebhookID)})
	}
	o.First, o.Last = min(first+1, len(found)), first+len(o.Rows)
	if o.PageNumber > 1 {
		o.PrevLink = o.link(o.State, o.PageNumber-1)
	}
	if o.PageNumber < o.Pages {
		o.NextLink = o.link(o.State, o.PageNumber+1)
	}
}

// chips makes the links to the states. An unknown state is all of them.
func (o *overview) chips(c *counts) []chip {
	all := []chip{
		{Name: "All", Count: c.All},
		{Name: "Failing", Mark: "failing", Count: c.Failing},
		{Name: "Held", Mark: "held", Count: c.Held},
		{Name: "Healthy", Mark: "healthy", Count: c.Healthy},
		{Name: "Untried", Mark: "untried", Count: c.Untried},
	}
	if c.Unknown > 0 {
		all = append(all, chip{Name: "Not configured here", Mark: "unknown", Count: c.Unknown})
	}
	known := false
	for i := range all {
		all[i].Link = o.link(all[i].Mark, 1)
		all[i].Current = all[i].Mark == o.State
		known = known || all[i].Current
	}
	if !known {
		o.State, all[0].Current = "", true
	}
	return all
}

// find returns the webhooks that have the state, and every word of the search in their names or target.
func (o *overview) find(rows []webhook.WebhookStatus) (found []*webhook.WebhookStatus) {
	words := strings.Fields(strings.ToLower(o.Search))
	for i := range rows {
		if s := &rows[i]; hasState(s, o.State) && hasWords(s, words) {
			found = append(found, s)
		}
	}
	return found
}

func hasState(s *webhook.WebhookStatus, state string) bool {
	switch state {
	case "":
		return true
	case "failing":
		return fails(s)
	case "unknown":
		return s.Unknown
	}
	return s.State.String() == state
}

func hasWords(s *webhook.WebhookStatus, words []string) bool {
	if len(words) == 0 {
		return true
	}
	text := strings.ToLower(s.AppID + "/" + s.WebhookID + " " + s.Target)
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// link leads to a page of the overview with the same search.
func (o *overview) link(state string, number int) string {
	query := url.Values{}
	if o.Search != "" {
		query.Set("q", o.Search)
	}
	if state != "" {
		query.Set("state", state)
	}
	if number > 1 {
		query.Set("page", strconv.Itoa(number))
	}
	if len(query) == 0 {
		return "./"
	}
	return "./?" + query.Encode()
}

// webhookLink leads to the page of a webhook. It is empty for what cannot be named in a query for dead
// letters: such lanes were made by other programs.
func webhookLink(appID, webhookID string) string {
	if appID == "" || webhookID == "" {
		return ""
	}
	return "webhook?" + url.Values{"app": {appID}, "id": {webhookID}}.Encode()
}
