package main

import "slices"

// percentile returns a percentile of sorted values, or 0 if there are none.
func percentile[T any](sorted []T, percent int) T {
	if len(sorted) == 0 {
		var none T
		return none
	}
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

// median returns the median of values: of an even number the mean of the two in the middle.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if len(v) == 0 {
		return 0
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// spread is the median of a figure's values, the least and the largest.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	return spread{median(values), slices.Min(values), slices.Max(values)}
}

// rounds are a case's measurements, one of each round.
type rounds []measurement

// median returns the median of a figure.
func (r rounds) median(of func(measurement) float64) float64 { return median(r.values(of)) }

func (r rounds) values(of func(measurement) float64) []float64 {
	list := make([]float64, len(r))
	for i, m := range r {
		list[i] = of(m)
	}
	return list
}

// ratios returns a figure's values, each divided by that of the other case in the same round.
func (r rounds) ratios(other rounds, of func(measurement) float64) []float64 {
	list := r.values(of)
	for i, v := range other.values(of) {
		if i < len(list) {
			list[i] = divide(list[i], v)
		}
	}
	return list[:min(len(list), len(other))]
}

// divide returns a/b, or 0 if b is 0.
func divide(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
