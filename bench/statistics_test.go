package main

import (
	"slices"
	"testing"
)

func TestMedianOfOddAndEven(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		before := slices.Clone(tt.values)
		if got := median(tt.values); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.values, got, tt.want)
		}
		if !slices.Equal(before, tt.values) {
			t.Errorf("median changed the order of %v to %v", before, tt.values)
		}
	}
}

func TestPercentileStaysWithin(t *testing.T) {
	t.Parallel()
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	for percent, want := range map[int]int{0: 1, 50: 51, 99: 100, 100: 100} {
		if got := percentile(hundred, percent); got != want {
			t.Errorf("percentile %d = %d, want %d", percent, got, want)
		}
	}
	if got := percentile([]int(nil), 50); got != 0 {
		t.Errorf("percentile of nothing = %d, want 0", got)
	}
}

func TestSpreadHasLeastAndLargest(t *testing.T) {
	t.Parallel()
	if got, want := spreadOf([]float64{5, 1, 2}), (spread{2, 1, 5}); got != want {
		t.Errorf("spread = %v, want %v", got, want)
	}
}

// A ratio is to the other case of the same round: a round in which both are slow changes nothing.
func TestRatiosAreOfTheSameRound(t *testing.T) {
	t.Parallel()
	fast, slow := rounds{{Rate: 100}, {Rate: 10}, {Rate: 0}}, rounds{{Rate: 50}, {Rate: 5}}
	if got, want := slow.ratios(fast, rate), []float64{0.5, 0.5}; !slices.Equal(got, want) {
		t.Errorf("ratios = %v, want %v", got, want)
	}
	if got, want := fast.ratios(rounds{{}, {Rate: 5}}, rate), []float64{0, 2}; !slices.Equal(got, want) {
		t.Errorf("ratios to nothing = %v, want %v", got, want)
	}
}
