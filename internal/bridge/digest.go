package bridge

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// A digest stands for a listing that left nothing to do. While the source
// shows the same one there is nothing to do still, and a pass ends after one
// look, having read no entry and written nothing.
//
// It hides nothing, because it is kept only if
//
//   - the listing was complete and the pass, with all its rounds, went through;
//   - every message in it has ended for good: imported, skipped, refused, set
//     aside or doubtful. One that failed is tried again, and one without id or
//     header is looked at again;
//   - no claim is open. Claims are read before the digest is looked at, in
//     each pass: the message of one may be gone, and the listing be as before;
//   - nothing was due at the source, not even if it was done: a server may
//     have said yes and kept the message;
//   - it was taken in the session of that listing, before it. A message that
//     comes between the two is in the listing and not in the digest, which
//     then is that of no later listing;
//   - it is dropped after any other pass (Report.Digest): what that one noted
//     (a message is absent) may be what the next must know.
//
// What is due only some days after the import is not due yet: such a digest
// ends with its day.
//
// What is done with mail that has ended does not depend on labels, rules or
// the folder it goes to: these are for new mail. It does depend on the folders
// listed, the source policy and Since, so these are hashed here; and on which
// mailbox it is, which is for the caller to say (Pass.Stamp). Whoever changes
// an entry so that a listed message has to be looked at again (a retry of a
// refused one, say) drops the digest that the mailbox has.

const digestVersion = "smtp-sync listing 1"

// glance asks the source what stands for its listing; zero: it cannot say.
func (r *run) glance(ctx context.Context, s *session) (mail.Key, error) {
	src, ok := s.Source.(Digester)
	if !ok {
		return mail.Key{}, nil
	}
	h := r.Keys.Stream()
	part(h, digestVersion)
	part(h, string(r.AfterImport))
	part(h, r.MoveTo)
	if r.KeepDays > 0 {
		part(h, r.ownDay(time.Now()))
	}
	part(h, r.Since.UTC().String())
	for _, f := range r.Folders {
		part(h, f)
	}
	part(h, "")
	part(h, string(r.Stamp))
	ok, err := src.Digest(ctx, h)
	if err != nil || !ok {
		return mail.Key{}, err
	}
	return mail.Key(h.Sum(nil)[:16]), nil
}

// ownDay is the day of this mailbox: each begins its own at another time, or
// all of them would be listed in the minute after midnight.
func (r *run) ownDay(now time.Time) string {
	own := r.Keys.Occurrence(mail.Key{}, 0)
	offset := time.Duration(binary.BigEndian.Uint32(own[12:])) * (24 * time.Hour) >> 32
	return fmt.Sprint(r.KeepDays, ledger.DayOf(now.Add(offset)))
}

// part writes a text of any length so that it cannot run into the next.
func part(h hash.Hash, s string) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(s)))
	h.Write(n[:])
	_, _ = io.WriteString(h, s)
}
