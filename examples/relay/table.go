package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pushhooks/webhook/internal/oneline"
)

// column is one of a table.
type column struct {
	name  string
	right bool // numbers are aligned to the right
	cut   bool // too long a text may be shortened where the table is too wide
}

// row is a row of a table, and a line of text below it, which may be empty.
type row struct {
	cells []string
	below string
}

// table prints rows in aligned columns, in pages, so that a long one takes no more memory than a
// short one. The header is printed with the first page.
type table struct {
	to      io.Writer
	limit   int // columns of a terminal; 0 shortens nothing
	columns []column
	widths  []int
	rows    []row
	headed  bool
}

const (
	tablePage = 500
	tableGap  = "  "
	leastCut  = 8
)

// newTable makes a table that is as wide as the terminal, if to is one.
func newTable(to io.Writer, columns ...column) *table {
	t := &table{to: to, limit: terminalWidth(to), columns: columns, widths: make([]int, len(columns))}
	for i, c := range columns {
		t.widths[i] = len(c.name)
	}
	return t
}

// add adds a row. Its texts may be anybody's: each becomes one line without control characters.
func (t *table) add(below string, cells ...string) {
	for i := range cells {
		cells[i] = oneline.Text(cells[i])
		t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cells[i]))
	}
	t.rows = append(t.rows, row{cells, oneline.Text(below)})
	if len(t.rows) == tablePage {
		t.flush()
	}
}

// flush prints the rows that were added. A table without any prints nothing.
func (t *table) flush() {
	if len(t.rows) == 0 {
		return
	}
	t.fit()
	if !t.headed {
		t.headed = true
		header := make([]string, len(t.columns))
		for i, c := range t.columns {
			header[i] = c.name
		}
		t.print(row{cells: header})
	}
	for _, r := range t.rows {
		t.print(r)
	}
	t.rows = t.rows[:0]
}

// fit makes the widest columns that may be shortened narrower until a row fits.
func (t *table) fit() {
	if t.limit == 0 {
		return
	}
	width := len(tableGap) * (len(t.columns) - 1)
	for _, w := range t.widths {
		width += w
	}
	for ; width > t.limit; width-- {
		widest := -1
		for i, c := range t.columns {
			if c.cut && t.widths[i] > leastCut && (widest < 0 || t.widths[i] > t.widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		t.widths[widest]--
	}
}

func (t *table) print(r row) {
	var b strings.Builder
	for i, cell := range r.cells {
		if i > 0 {
			b.WriteString(tableGap)
		}
		cell = shorten(cell, t.widths[i])
		pad := strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(cell))
		if t.columns[i].right {
			b.WriteString(pad + cell)
		} else {
			b.WriteString(cell + pad)
		}
	}
	text := strings.TrimRight(b.String(), " ")
	if r.below != "" {
		below := tableGap + tableGap + r.below
		if t.limit > 0 {
			below = shorten(below, t.limit)
		}
		text += "\n" + below
	}
	fmt.Fprintln(t.to, text)
}

// shorten cuts a text to at most so many characters, with "…" in place of what it leaves out.
func shorten(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:max(0, limit-1)]) + "…"
}

// count writes a number with commas, or "unknown" where it is negative.
func count[N int | int64](n N) string {
	if n < 0 {
		return "unknown"
	}
	digits := strconv.FormatInt(int64(n), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// span writes a duration in one or two units, such as 45s, 3m, 1h20m and 2d4h.
func span(d time.Duration) string {
	d = max(0, d)
	days, hours, minutes := d/(24*time.Hour), d%(24*time.Hour)/time.Hour, d%time.Hour/time.Minute
	switch {
	case days > 0 && hours > 0:
		return fmt.Sprintf("%dd%dh", days, hours)
	case days > 0:
		return fmt.Sprintf("%dd", days)
	case hours > 0 && minutes > 0:
		return fmt.Sprintf("%dh%dm", hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%dh", hours)
	case minutes > 0:
		return fmt.Sprintf("%dm", minutes)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// ago writes how long ago t was; nothing for the zero time.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return span(now.Sub(t)) + " ago"
}
