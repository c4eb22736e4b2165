package bridge

import (
	"context"
	"fmt"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// A mass change is more than these: messages, and one in so many of those known.
const (
	massMessages = 100
	massShare    = 5
)

// massChange refuses a listing in which much of what was known is gone and as
// much has come that is none of it, until its owner has accepted that: it may be
// another mailbox by now, or a server that has rewritten every header, and then
// all of it would be imported again. A provider's move is no such thing: its
// messages have other ids and the same content.
func (r *run) massChange(ctx context.Context, src Source, todo []*job) error {
	if r.Accepted || len(todo) <= massMessages {
		return nil
	}
	known, gone, left := r.lost()
	if !massive(gone, known) {
		return nil
	}
	refs := make([]mail.Ref, len(todo))
	for i, j := range todo {
		refs[i] = j.ref
	}
	strange := 0
	for h, err := range headers(ctx, src, refs) {
		if err != nil && mail.ClassOf(err) == mail.Undelivered {
			continue
		}
		if err != nil {
			return err
		}
		if content := r.Keys.Content(h); left[content] > 0 {
			left[content]--
		} else {
			strange++
		}
	}
	if err := ctx.Err(); err != nil || !massive(strange, known) {
		return err
	}
	return &mail.Fault{Class: mail.Setup, Code: "mass_change",
		Text: fmt.Sprintf("%d of %d messages that were in the mailbox are gone, and %d others have come at once", gone, known, strange),
		Help: "look whether it still is the mailbox that you mean, then let it go on: these messages will be imported"}
}

func massive(n, of int) bool { return n > massMessages && n*massShare > of }

// lost counts what was there, what of it is gone, and the contents of that.
func (r *run) lost() (known, gone int, left map[mail.Key]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.seen {
		for _, e := range r.known.find(id) {
			if settled(e.State) && !e.Absent {
				known++
				break
			}
		}
	}
	left = make(map[mail.Key]int, len(r.vanished))
	for content, moved := range r.vanished {
		left[content] = len(moved)
		gone += len(moved)
	}
	return known + gone, gone, left
}
