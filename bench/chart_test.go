package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"testing"
)

func TestChartIsXMLWithABarForEachCase(t *testing.T) {
	t.Parallel()
	bars := []bar{{"net/http", false, 1, 1, 1}, {"this library, a < b & c", true, 0.85, 0.8, 0.9}, {"slow", false, 0, 0, 0}}
	text, err := chart([]panel{{"100 events a request", bars}, {"One event a request", bars[:1]}})
	if err != nil {
		t.Fatal(err)
	}
	widths, texts, height, bottom := readChart(t, text)
	if want := []float64{380, 323, 0, 380}; !equalFloats(widths, want) {
		t.Errorf("bars are %v wide, want %v", widths, want)
	}
	for _, want := range []string{"this library, a < b & c", "0.85", "100 events a request, as a share of net/http"} {
		if !texts[want] {
			t.Errorf("the chart does not say %q", want)
		}
	}
	if bottom > height {
		t.Errorf("a bar ends at %v, below the chart's height of %v", bottom, height)
	}
}

// A case that is faster than the ceiling, as happens in a noisy round, stays within the chart.
func TestChartHoldsRatiosAboveOne(t *testing.T) {
	t.Parallel()
	text, err := chart([]panel{{"one", []bar{{"ceiling", false, 1, 1, 1}, {"lucky", false, 2, 1.5, 2.5}}}})
	if err != nil {
		t.Fatal(err)
	}
	widths, _, _, _ := readChart(t, text)
	if want := []float64{152, 304}; !equalFloats(widths, want) {
		t.Errorf("bars are %v wide, want %v", widths, want)
	}
}

// readChart parses a chart: the widths of its bars, its texts, its height, and where the last bar ends.
func readChart(t *testing.T, text []byte) (widths []float64, texts map[string]bool, height, bottom float64) {
	t.Helper()
	texts = make(map[string]bool)
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return widths, texts, height, bottom
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		switch v := token.(type) {
		case xml.CharData:
			texts[string(v)] = true
		case xml.StartElement:
			switch v.Name.Local {
			case "svg":
				height = attribute(t, v, "height")
			case "rect":
				widths = append(widths, attribute(t, v, "width"))
				bottom = max(bottom, attribute(t, v, "y")+attribute(t, v, "height"))
			}
		}
	}
}

func attribute(t *testing.T, e xml.StartElement, name string) float64 {
	t.Helper()
	for _, a := range e.Attr {
		if a.Name.Local == name {
			v, err := strconv.ParseFloat(a.Value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("a %s has no %s", e.Name.Local, name)
	return 0
}

func equalFloats(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
