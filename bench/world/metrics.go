package world

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Metrics is one look at a Prometheus page: values by series, such as
// smtpsync_actors_passes_total{protocol="imap",result="ok"}.
type Metrics map[string]float64

// Scrape reads a metrics page.
func Scrape(ctx context.Context, url string) (Metrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/plain;version=0.0.4")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("metrics: status %d", res.StatusCode)
	}
	return ParseMetrics(res.Body)
}

// ParseMetrics reads the text format.
func ParseMetrics(r io.Reader) (Metrics, error) {
	m := Metrics{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		end := strings.LastIndexByte(line, '}') + 1
		if end == 0 {
			end = strings.IndexByte(line, ' ')
		}
		fields := strings.Fields(line[max(end, 0):])
		if end < 0 || len(fields) == 0 {
			return nil, fmt.Errorf("metrics: %.60q is no sample", line)
		}
		v, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return nil, fmt.Errorf("metrics: %.60q: %w", line, err)
		}
		m[line[:end]] = v
	}
	return m, lines.Err()
}

// Has tells whether any series has the name.
func (m Metrics) Has(name string) bool {
	for series := range m {
		if nameOf(series) == name {
			return true
		}
	}
	return false
}

// Sum adds up the series of a name that have all of the labels (`result="ok"`).
func (m Metrics) Sum(name string, labels ...string) (sum float64) {
	for series, v := range m {
		if nameOf(series) == name && !slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(series, l) }) {
			sum += v
		}
	}
	return sum
}

// Minus gives what was added since before.
func (m Metrics) Minus(before Metrics) Metrics {
	d := Metrics{}
	for series, v := range m {
		d[series] = v - before[series]
	}
	return d
}

// Quantile estimates a quantile (0 to 1) of a histogram by its buckets, in
// which values are taken to lie evenly. Of an empty one it is 0; what lies
// beyond the last limit counts as that limit.
func (m Metrics) Quantile(name string, q float64) time.Duration {
	type bucket struct{ limit, count float64 }
	var buckets []bucket
	for series, v := range m {
		if nameOf(series) != name+"_bucket" {
			continue
		}
		_, rest, _ := strings.Cut(series, `le="`)
		text, _, _ := strings.Cut(rest, `"`)
		if limit, err := strconv.ParseFloat(text, 64); err == nil {
			buckets = append(buckets, bucket{limit, v})
		}
	}
	slices.SortFunc(buckets, func(a, b bucket) int { return cmp.Compare(a.limit, b.limit) })
	if len(buckets) == 0 || buckets[len(buckets)-1].count == 0 {
		return 0
	}
	rank := q * buckets[len(buckets)-1].count
	low, below := 0.0, 0.0
	for _, b := range buckets {
		if b.count >= rank && b.count > below {
			if math.IsInf(b.limit, 1) {
				return seconds(low)
			}
			return seconds(low + (b.limit-low)*(rank-below)/(b.count-below))
		}
		low, below = b.limit, b.count
	}
	return seconds(low)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func nameOf(series string) string {
	name, _, _ := strings.Cut(series, "{")
	return name
}
