package bridge

import (
	"bytes"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// index answers "is it known?" for a listing: the ledger's entries by id key,
// 48 octets each, and what this pass adds. It is guarded by run.mu.
type index struct {
	sorted []ledger.Entry // by ID, then Content
	added  map[mail.Key][]ledger.Entry
}

func newIndex(entries []ledger.Entry) *index {
	slices.SortFunc(entries, func(a, b ledger.Entry) int {
		if c := bytes.Compare(a.ID[:], b.ID[:]); c != 0 {
			return c
		}
		return bytes.Compare(a.Content[:], b.Content[:])
	})
	return &index{sorted: entries, added: make(map[mail.Key][]ledger.Entry)}
}

// find gives the entries of one id; they may be changed in place.
func (x *index) find(id mail.Key) []*ledger.Entry {
	var found []*ledger.Entry
	i, _ := slices.BinarySearchFunc(x.sorted, id, func(e ledger.Entry, id mail.Key) int {
		return bytes.Compare(e.ID[:], id[:])
	})
	for ; i < len(x.sorted) && x.sorted[i].ID == id; i++ {
		found = append(found, &x.sorted[i])
	}
	more := x.added[id]
	for i := range more {
		found = append(found, &more[i])
	}
	return found
}

// set notes the state an entry has now, and since when.
func (x *index) set(k ledger.Key, s ledger.State, since ledger.Day) {
	for _, e := range x.find(k.ID) {
		if e.Content == k.Content {
			e.State, e.Absent, e.Day = s, false, since
			return
		}
	}
	x.added[k.ID] = append(x.added[k.ID], ledger.Entry{Key: k, State: s, Day: since})
}

// all visits every entry.
func (x *index) all(visit func(*ledger.Entry)) {
	for i := range x.sorted {
		visit(&x.sorted[i])
	}
	for _, es := range x.added {
		for i := range es {
			visit(&es[i])
		}
	}
}

// settled reports a state in which a message needs no more attention.
func settled(s ledger.State) bool {
	return s == ledger.Imported || s == ledger.Skipped || s == ledger.Refused || s == ledger.Doubtful
}

// An id key starts with a keyed tag of the folder and one of its generation
// (UIDVALIDITY), so that a pass over some folders leaves the others alone and
// a renumbered folder is told from a new one.
type (
	scope      [4]byte
	generation [6]byte
)

func scopeOf(id mail.Key) scope           { return scope(id[:4]) }
func generationOf(id mail.Key) generation { return generation(id[:6]) }
