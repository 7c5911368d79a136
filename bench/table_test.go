package main

import (
	"strings"
	"testing"
)

func TestTableIsAlignedMarkdown(t *testing.T) {
	t.Parallel()
	table := &table{header: []string{"", "CPU µs"}}
	table.add("net/http", "0.33")
	table.add("a longer name", "12.5")
	want := strings.TrimPrefix(`
|               | CPU µs |
|---------------|-------:|
| net/http      |   0.33 |
| a longer name |   12.5 |
`, "\n")
	if got := table.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestFiguresHaveThreeDigits(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0: "", 0.0314: "0.031", 2.467: "2.47", 31.42: "31.4", 314.2: "314", 6_000_000: "6,000,000", 1234.5: "1,234"} {
		if got := figure(v); got != want {
			t.Errorf("figure(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestSpreadsShowTheirRange(t *testing.T) {
	t.Parallel()
	s := spread{0.85, 0.81, 0.9}
	if got, want := s.ratio(), "0.85 (0.81–0.90)"; got != want {
		t.Errorf("ratio = %q, want %q", got, want)
	}
	if got, want := s.figure(), "0.850 (0.810–0.900)"; got != want {
		t.Errorf("figure = %q, want %q", got, want)
	}
	if got, want := spreadOf([]float64{1}).ratio(), "1.00"; got != want {
		t.Errorf("ratio of one round = %q, want %q", got, want)
	}
}
