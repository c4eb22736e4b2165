package vault

import (
	"context"
	"iter"
	"regexp"
)

// Shelf is where wrapped keys lie, outside the history of the store that they
// protect: small records under short names of lower-case letters, digits,
// hyphens and slashes. Whoever reads one learns nothing without a master key.
// It may be used by many goroutines at once. Errors are *mail.Fault; those
// that callers decide by wrap fs.ErrNotExist and fs.ErrExist.
type Shelf interface {
	// Get gives a record, or fs.ErrNotExist.
	Get(ctx context.Context, name string) ([]byte, error)
	// Create adds a record, which is not all zeros: durable when it returns nil,
	// or fs.ErrExist.
	Create(ctx context.Context, name string, record []byte) error
	// Swap replaces old by next, durable when it returns nil; fs.ErrNotExist
	// if the record is not old (any more). It never brings back a record that
	// was destroyed meanwhile.
	Swap(ctx context.Context, name string, old, next []byte) error
	// Destroy overwrites and removes the record of this name and all whose
	// names begin with it and a slash. It is durable when it returns nil, may be
	// repeated after any failure, and does not mind if there is nothing.
	Destroy(ctx context.Context, name string) error
	// List gives all records, in no order, each as it was at some moment of the
	// list. Records that come or go meanwhile may be missing.
	List(ctx context.Context) iter.Seq2[Record, error]
}

// Record is what lies on a Shelf under a name.
type Record struct {
	Name   string
	Octets []byte
}

var validName = regexp.MustCompile(`^[a-z0-9-]+(/[a-z0-9-]+)*$`)

// CheckName panics at a name that no record has: it keeps names from ever leaving the shelf.
func CheckName(name string) {
	if !validName.MatchString(name) {
		panic("vault: bad record name " + name)
	}
}
