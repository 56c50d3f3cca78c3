package main

import (
	"math"
	"slices"
)

// median returns the middle of xs, the mean of the middle two when their
// number is even, and NaN when there are none. xs keeps its order.
func median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// ratio returns the median over the rounds of a's rate divided by b's in the
// same round, and NaN when either has no figures. Taken within a round, it does
// not see what slows the machine for a whole round.
func ratio(a, b *variant) float64 {
	if !a.measured() || !b.measured() {
		return math.NaN()
	}
	n := min(len(a.Samples), len(b.Samples))
	rs := make([]float64, 0, n)
	for i := range n {
		rs = append(rs, a.Samples[i].TPS/b.Samples[i].TPS)
	}
	return median(rs)
}

// measured reports whether the variant ran in every round without a failure.
func (v *variant) measured() bool { return v != nil && v.Err == nil && len(v.Samples) > 0 }

func (v *variant) tps() float64 {
	return v.over(func(s sample) float64 { return s.TPS })
}

func (v *variant) latency() float64 {
	return v.over(func(s sample) float64 { return s.LatencyMS })
}

// cpu is in microseconds per transaction; NaN when it is unknown.
func (v *variant) cpu() float64 {
	return v.over(func(s sample) float64 {
		if s.CPUMicros == nil {
			return math.NaN()
		}
		return *s.CPUMicros
	})
}

func (v *variant) over(f func(sample) float64) float64 {
	if !v.measured() {
		return math.NaN()
	}
	xs := make([]float64, len(v.Samples))
	for i, s := range v.Samples {
		xs[i] = f(s)
	}
	return median(xs)
}
