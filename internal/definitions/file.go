package definitions

import (
	"bytes"
	"strconv"
	"strings"
)

// file is a text with its lines.
type file struct {
	data  []byte
	lines []string // without line ends
}

func newFile(data []byte) file {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if len(data) > MaxSize {
		return file{data: data}
	}
	lines := strings.Split(string(data), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
	}
	return file{data: data, lines: lines}
}

// place gives line and column of an octet.
func (f file) place(offset int64) (line, column int) {
	before := f.data[:min(max(offset, 0), int64(len(f.data)))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}

// anyLine reports whether a line begins with one of these words.
func (f file) anyLine(words ...string) bool {
	for _, l := range f.lines {
		first, _, _ := strings.Cut(strings.ReplaceAll(strings.TrimSpace(l), "\t", " "), " ")
		for _, w := range words {
			if strings.EqualFold(first, w) {
				return true
			}
		}
	}
	return false
}

// port reads a port, 0 where there is none.
func (r *reader) port(s string, line, column int) int {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		r.problem(line, column, "number")
	}
	return int(n)
}

// yes reads a truth in the words that configurations have for it.
func yes(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "1", "true", "yes", "on", "y", "t":
		return true
	}
	return false
}
