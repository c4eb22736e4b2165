package load

import "slices"

// Jain is Jain's index of fairness: 1 when all get the same, 1/n when one of n
// gets everything. Of nothing, or when nobody gets anything, it is 0: such a
// run has shown no fairness.
func Jain(shares []float64) float64 {
	var sum, squares float64
	for _, s := range shares {
		sum += s
		squares += s * s
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// Median is the middle value, the mean of the two middle ones of an even
// number; 0 of none.
func Median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	switch n := len(v); {
	case n == 0:
		return 0
	case n%2 == 1:
		return v[n/2]
	default:
		return (v[n/2-1] + v[n/2]) / 2
	}
}

// Slope is how much y grows for each unit of x, by least squares; 0 where x
// does not vary.
func Slope(x, y []float64) float64 {
	n := float64(min(len(x), len(y)))
	if n == 0 {
		return 0
	}
	var mx, my float64
	for i := range int(n) {
		mx += x[i] / n
		my += y[i] / n
	}
	var cov, spread float64
	for i := range int(n) {
		cov += (x[i] - mx) * (y[i] - my)
		spread += (x[i] - mx) * (x[i] - mx)
	}
	if spread == 0 {
		return 0
	}
	return cov / spread
}
