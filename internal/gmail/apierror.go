package gmail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// apiError is Google's error envelope, as far as it decides something:
//
//	{"error":{"code":403,"message":"…","errors":[{"reason":"…"}],"status":"…","details":[{"reason":"…"}]}}
//
// The envelope may sit in a one-element array, or be missing when a front end
// answers with HTML; then everything in it is empty.
type apiError struct {
	message string // foreign text: matched, never shown
	reasons []string
	details []string
	status  string
}

// words gives what may decide, in order of rank.
func (e apiError) words() []string {
	w := append(e.reasons[:len(e.reasons):len(e.reasons)], e.details...)
	return append(w, e.status)
}

// reason gives the most telling word, safe to show.
func (e apiError) reason(otherwise string) string {
	for _, w := range e.words() {
		if w != "" {
			return w
		}
	}
	return otherwise
}

// describe is for the operator's log: codes and words, no sentences.
func (e apiError) describe(code int) string {
	return fmt.Sprintf("%d %s", code, strings.Join(e.words(), " "))
}

// parseError reads an error body leniently: every part may be missing or of
// another type than promised without spoiling the others.
func parseError(b []byte) (e apiError) {
	b = bytes.TrimSpace(b)
	if len(b) > 0 && b[0] == '[' {
		var list []json.RawMessage
		if json.Unmarshal(b, &list) != nil || len(list) == 0 {
			return e
		}
		b = list[0]
	}
	in := fields(fields(b)["error"])
	e.message = text(in["message"])
	e.status = word(text(in["status"]))
	var errs, details []json.RawMessage
	_ = json.Unmarshal(in["errors"], &errs)
	_ = json.Unmarshal(in["details"], &details)
	if len(errs) > 0 { // only the first one decides
		e.reasons = appendWord(e.reasons, errs[0])
		if e.message == "" {
			e.message = text(fields(errs[0])["message"])
		}
	}
	for _, d := range details[:min(len(details), 8)] {
		e.details = appendWord(e.details, d)
	}
	return e
}

func appendWord(to []string, object json.RawMessage) []string {
	if w := word(text(fields(object)["reason"])); w != "" {
		return append(to, w)
	}
	return to
}

func fields(b json.RawMessage) (m map[string]json.RawMessage) {
	_ = json.Unmarshal(b, &m)
	return m
}

func text(b json.RawMessage) (s string) {
	_ = json.Unmarshal(b, &s)
	return s
}

// word lets through what looks like one of Google's reason words and nothing
// that could carry anything else.
func word(s string) string {
	if len(s) > 40 {
		return ""
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_' {
			return ""
		}
	}
	return s
}
