package imap

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

const (
	// maxListed bounds what one listing may hold in memory, over all folders.
	maxListed = 1_000_000
	// maxDisorder bounds the UIDs of a listing that go down. Servers answer in
	// ascending order; sorting a million descending ones inside go-imap would
	// cost a hostile server nothing and us minutes.
	maxDisorder = 1000
	// maxSize clamps announced sizes, so that sums of them stay numbers.
	maxSize = 1 << 40
)

// The items of a listing. Never ENVELOPE or BODYSTRUCTURE: one malformed
// message would end the connection, a hostile one the process.
var listed = imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true}

// List yields the messages of all folders, folder by folder, by ascending UID.
// Messages flagged \Deleted are left out, unless Config.Flagged wants them:
// their owner has removed them.
func (s *Source) List(ctx context.Context) iter.Seq2[mail.Ref, error] {
	return func(yield func(mail.Ref, error) bool) {
		room := maxListed
		for _, folder := range s.cfg.Folders {
			refs, err := s.list(ctx, folder, room)
			if err != nil {
				yield(mail.Ref{}, err)
				return
			}
			room -= len(refs)
			for _, ref := range refs {
				if !yield(ref, nil) {
					return
				}
			}
		}
	}
}

// list reads one folder.
func (s *Source) list(ctx context.Context, folder string, room int) ([]mail.Ref, error) {
	if f := s.ended(); f != nil {
		return nil, f
	}
	w := s.watch(ctx, listTime, "list a folder")
	defer w.end()
	if !s.fresh || s.folder != folder {
		if err := s.selectFolder(folder); err != nil {
			return nil, err
		}
	}
	s.fresh = false
	s.dialer.show(s.snapshot)
	if s.exists == 0 {
		return nil, nil
	}
	first, err := s.firstUID()
	if err != nil || first == 0 {
		return nil, err
	}
	l := listing{source: s, room: room}
	if err := l.fetch(imap.UIDSet{{Start: first, Stop: 0}}); err != nil {
		return nil, err
	}
	if len(l.vague) > 0 {
		l.again = true
		if err := l.fetch(l.vague); err != nil {
			return nil, err
		}
	}
	if first == 1 {
		if err := s.complete(l.seen); err != nil {
			return nil, err
		}
	}
	if s.next > 0 { // what came since the folder was selected has been listed too
		s.next = max(s.next, l.last+1)
		s.dialer.show(s.snapshot)
	}
	return l.refs, l.order()
}

// firstUID gives where the listing begins: 1, or with Since the first message
// that may be as new, 0 if there is none. The date of SEARCH is a day of the
// server's time zone (RFC 3501 6.4.4), so a day earlier is asked for; what is
// too old among them is left out by its INTERNALDATE. Only the first UID comes
// back (RFC 4731): a plain SEARCH names all, in one line without limit.
func (s *Source) firstUID() (imap.UID, error) {
	if s.cfg.Since.IsZero() || !s.can.all(esearch) {
		return 1, nil
	}
	data, err := s.client.UIDSearch(
		&imap.SearchCriteria{Since: s.cfg.Since.AddDate(0, 0, -1)},
		&imap.SearchOptions{ReturnMin: true}).Wait()
	if err != nil {
		return 0, s.fault("search a folder", err)
	}
	return imap.UID(data.Min), nil
}

// complete makes sure that the listing missed nothing: go-imap drops answers
// without UID, with UID 0, or with one that came before. Messages may have
// been removed meanwhile; a server may be late to say so.
func (s *Source) complete(seen int) error {
	if uint64(seen)+uint64(s.expunged.Load()) >= uint64(s.exists) {
		return nil
	}
	if err := s.client.Noop().Wait(); err != nil {
		return s.fault("stay", err)
	}
	if uint64(seen)+uint64(s.expunged.Load()) >= uint64(s.exists) {
		return nil
	}
	return badListing(fmt.Sprintf("%s lists %d of the %d messages it says are in the folder %q", s.cfg.Host, seen, s.exists, s.folder))
}

// A listing is the answer to one UID FETCH of a folder.
type listing struct {
	source   *Source
	refs     []mail.Ref
	seen     int
	room     int
	last     uint32
	disorder int
	vague    imap.UIDSet // answered without a size: a flag update that came between
	again    bool        // this is their second chance
}

// fetch runs one command to its end.
func (l *listing) fetch(uids imap.UIDSet) error {
	cmd := l.source.client.Fetch(uids, &listed)
	var broken *mail.Fault
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		if broken == nil {
			if broken = l.add(msg); broken != nil {
				l.source.end(broken) // or the rest would be read for nothing
			}
		}
	}
	if err := cmd.Close(); err != nil {
		return l.source.fault("list a folder", err)
	}
	if broken != nil {
		return broken
	}
	return nil
}

// add takes one answer.
func (l *listing) add(msg *imapclient.FetchMessageData) *mail.Fault {
	ref := mail.Ref{Folder: l.source.folder, Validity: l.source.validity}
	var sized bool
	for item := msg.Next(); item != nil; item = msg.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			ref.UID = uint32(item.UID)
		case imapclient.FetchItemDataRFC822Size:
			ref.Size, sized = min(item.Size, maxSize), true
		case imapclient.FetchItemDataInternalDate:
			ref.Date = item.Time
		case imapclient.FetchItemDataFlags:
			ref.Seen = slices.Contains(item.Flags, imap.FlagSeen)
			ref.Flagged = slices.Contains(item.Flags, imap.FlagFlagged)
			ref.Deleted = slices.Contains(item.Flags, imap.FlagDeleted)
		}
	}
	if !sized && !l.again {
		l.vague.AddNum(imap.UID(ref.UID))
		return nil
	}
	l.seen++
	if ref.UID < l.last {
		l.disorder++
	}
	l.last = ref.UID
	switch {
	case l.tooOld(ref.Date), ref.Deleted && !(l.source.cfg.Flagged && l.source.can.all(uidplus)):
		return nil
	case len(l.refs) == l.room:
		return protocolLimit(l.source.cfg.Host, fmt.Sprintf("a listing of more than %d messages", maxListed))
	case l.disorder > maxDisorder:
		return badListing(fmt.Sprintf("%s lists the folder %q in no order", l.source.cfg.Host, ref.Folder))
	}
	l.refs = append(l.refs, ref)
	return nil
}

// tooOld leaves out what Since excludes. INTERNALDATE knows seconds.
func (l *listing) tooOld(received time.Time) bool {
	since := l.source.cfg.Since
	return !since.IsZero() && !received.IsZero() && received.Before(since.Truncate(time.Second))
}

// order sorts by UID, where the server did not.
func (l *listing) order() error {
	if l.disorder > 0 {
		slices.SortFunc(l.refs, byUID)
	}
	for i := 1; i < len(l.refs); i++ {
		if l.refs[i].UID == l.refs[i-1].UID {
			return badListing(fmt.Sprintf("%s lists a message of the folder %q twice", l.source.cfg.Host, l.source.folder))
		}
	}
	return nil
}

func byUID(a, b mail.Ref) int { return cmp.Compare(a.UID, b.UID) }
