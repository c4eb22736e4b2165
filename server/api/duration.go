package api

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/server/openapi"
)

// Duration is a span of time as people write it: "30s", "5m", "720h", "30d".
type Duration time.Duration

// invalid is what no valid text gives.
const invalid Duration = -1

// UnmarshalJSON reads one. What is none becomes a value that Valid refuses, so
// that the check of the field can say what it wants.
func (d *Duration) UnmarshalJSON(b []byte) error {
	*d = invalid
	var s string
	if json.Unmarshal(b, &s) == nil {
		*d = ParseDuration(s)
	}
	return nil
}

// ParseDuration reads a duration; Valid says whether it was one.
func ParseDuration(s string) Duration {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		if days, err := strconv.Atoi(n); err == nil && days >= 0 && days <= 36500 {
			return Duration(time.Duration(days) * 24 * time.Hour)
		}
		return invalid
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return invalid
	}
	return Duration(v)
}

// Valid reports whether it was a duration.
func (d Duration) Valid() bool { return d >= 0 }

// MarshalJSON writes it without the zero units at its end: "5m", not "5m0s".
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// Port is a port number. A value that is none becomes one that no check allows.
type Port int

// UnmarshalJSON reads one.
func (p *Port) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(string(b))
	if err != nil {
		n = -1
	}
	*p = Port(n)
	return nil
}

// Schema says what a duration looks like.
func (Duration) Schema() openapi.Schema {
	return openapi.Schema{Type: "string", Description: "Like 90s, 5m, 12h or 30d."}
}

// Schema says what a port looks like.
func (Port) Schema() openapi.Schema {
	return openapi.Schema{Type: "integer", Minimum: new(1), Maximum: new(65535)}
}
