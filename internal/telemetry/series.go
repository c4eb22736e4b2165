package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	namespace = "smtpsync"
	other     = "other" // in every closed set
)

// A set of series, one for each value of a label. All of them exist from the
// start: a counter that appears with its first event hides that event from
// rate(), and a look-up here costs no hash of label names.
type (
	counters map[string]prometheus.Counter
	gauges   map[string]prometheus.Gauge
	times    map[string]prometheus.Observer
)

func (c counters) of(v string) prometheus.Counter { return pick(c, v) }
func (g gauges) of(v string) prometheus.Gauge     { return pick(g, v) }
func (t times) of(v string) prometheus.Observer   { return pick(t, v) }

func pick[T any](set map[string]T, v string) T {
	if s, ok := set[v]; ok {
		return s
	}
	return set[other]
}

// fill makes the series of a label's values and of "other".
func fill[T any](values []string, series func(string) T) map[string]T {
	set := map[string]T{other: series(other)}
	for _, v := range values {
		set[v] = series(v)
	}
	return set
}

func countersOf(v *prometheus.CounterVec, values []string) counters {
	return fill(values, func(s string) prometheus.Counter { return v.WithLabelValues(s) })
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) counters(name, help, label string, values []string) counters {
	return countersOf(m.counter(name, help, label), values)
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(g)
	return g
}

func (m *Metrics) gauges(name, help, label string, values []string) gauges {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, []string{label})
	m.registry.MustRegister(v)
	return fill(values, func(s string) prometheus.Gauge { return v.WithLabelValues(s) })
}

func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(options(name, help, buckets))
	m.registry.MustRegister(h)
	return h
}

func (m *Metrics) histograms(name, help string, buckets []float64, label string, values []string) times {
	v := prometheus.NewHistogramVec(options(name, help, buckets), []string{label})
	m.registry.MustRegister(v)
	return fill(values, func(s string) prometheus.Observer { return v.WithLabelValues(s) })
}

// options of a histogram: native for a Prometheus that takes it (10 % wide
// buckets), classic for all others.
func options(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
	}
}

// spread gives bucket limits from low to high seconds: 1, 2.5 and 5 of every
// power of ten.
func spread(low, high float64) (limits []float64) {
	for _, exponent := range []float64{1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100, 1000} {
		for _, step := range []float64{1, 2.5, 5} {
			if v := step * exponent; v >= low && v < high {
				limits = append(limits, v)
			}
		}
	}
	return append(limits, high)
}
