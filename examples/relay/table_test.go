package main

import (
	"strings"
	"testing"
	"time"
)

func TestTableAlignsAndSanitizes(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	l := newTable(&out, column{name: "APP"}, column{name: "WAITING", right: true})
	l.flush()
	l.add("", "my-app", "1,024")
	l.add("status: 503\nx", "Zoë\x1b[31m", "0")
	l.flush()
	const want = "" +
		"APP       WAITING\n" +
		"my-app      1,024\n" +
		"Zoë\ufffd[31m        0\n" +
		"    status: 503 x\n"
	if got := out.String(); got != want {
		t.Errorf("the table is\n%s, want\n%s", got, want)
	}
}

func TestTableFitsTheTerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	l := newTable(&out, column{name: "APP", cut: true}, column{name: "WEBHOOK", cut: true}, column{name: "STATE"})
	l.limit = 100
	l.add(strings.Repeat("because ", 100), strings.Repeat("a", 60), strings.Repeat("b", 40), "healthy")
	l.add("", "short", strings.Repeat("ü", 70), "failing")
	l.flush()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for _, text := range lines {
		if n := len([]rune(text)); n > 100 {
			t.Errorf("%d columns: %s", n, text)
		}
	}
	for _, want := range []string{"a…  bbb", "b       healthy", "ü…  failing", "because…"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in the table:\n%s", want, &out)
		}
	}
}

// A long table is printed in pages, with one header.
func TestTableIsPrintedInPages(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	l := newTable(&out, column{name: "APP"})
	for range 2*tablePage + 1 {
		l.add("", "my-app")
	}
	if n := strings.Count(out.String(), "\n"); n != 2*tablePage+1 || len(l.rows) != 1 {
		t.Errorf("%d lines are printed, and %d rows kept", n, len(l.rows))
	}
	l.flush()
	if n := strings.Count(out.String(), "APP\n"); n != 1 {
		t.Errorf("there are %d headers", n)
	}
}

func TestNumbersAndAges(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{-1: "unknown", 0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59*time.Second + 999*time.Millisecond: "59s", 3 * time.Minute: "3m",
		time.Hour: "1h", 80 * time.Minute: "1h20m", 48 * time.Hour: "2d", 52*time.Hour + 40*time.Minute: "2d4h",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	now := time.Now()
	if got := ago(now.Add(-3*time.Minute), now); got != "3m ago" {
		t.Errorf("it is %q", got)
	}
	if got := ago(time.Time{}, now); got != "" {
		t.Errorf("the zero time is %q", got)
	}
}
