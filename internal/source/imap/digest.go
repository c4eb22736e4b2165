package imap

import (
	"context"
	"fmt"
	"io"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// maxSearched bounds the messages of a folder that is searched where the
// server has no ESEARCH: its answer is one line, and the guard takes 256 KiB.
const maxSearched = 20_000

// A snapshot is what a server says about a folder as a whole.
type snapshot struct {
	folder   string
	validity uint32
	exists   uint32 // messages in it
	next     uint32 // UIDNEXT; 0: not told
	modseq   uint64 // HIGHESTMODSEQ; 0: not told
	deleted  imap.NumSet
}

// Digest writes what stands for the complete listing of all folders as it is
// now: two digests that are equal mean two listings that are. UIDNEXT and the
// number of messages tell what came and what went (RFC 3501 2.3.1.1: together
// they change with every arrival and removal). List leaves out what is flagged
// \Deleted, so that flag belongs to it too: it is in HIGHESTMODSEQ (RFC 7162
// 3.1.2.1), and where the server has none the UIDs that carry it are asked for.
// ok is false where the server does not say enough.
//
// Without HIGHESTMODSEQ a message that becomes seen changes no digest.
//
// A List that follows does not select the first folder again.
func (s *Source) Digest(ctx context.Context, w io.Writer) (ok bool, err error) {
	if f := s.ended(); f != nil {
		return false, f
	}
	clock := s.watch(ctx, listTime, "look into the folders")
	defer clock.end()
	// The first folder comes last: it stays selected.
	first, others := s.cfg.Folders[0], s.cfg.Folders[1:]
	seen, err := s.survey(others)
	if err != nil {
		return false, err
	}
	last, err := s.look(first)
	if err != nil {
		return false, err
	}
	s.fresh = true
	s.dialer.show(s.snapshot)
	said := fmt.Appendf(nil, "since %d\n", s.cfg.Since.Unix())
	for _, v := range append(seen, last) {
		if !v.says() {
			return false, nil
		}
		said = v.append(said)
	}
	_, err = w.Write(said)
	return err == nil, nil
}

// survey looks into folders, without selecting them where the server counts
// modifications.
func (s *Source) survey(folders []string) (seen []snapshot, err error) {
	seen = make([]snapshot, len(folders))
	if s.can.all(condstore) {
		if err := s.status(folders, seen); err != nil {
			return nil, err
		}
	}
	for i, name := range folders {
		if seen[i].says() {
			continue
		}
		if seen[i], err = s.look(name); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

// status asks about folders that are not selected, in one round trip (RFC 3501
// 6.3.10, RFC 7162 3.1.7). What it leaves empty is had, or explained, by look.
func (s *Source) status(folders []string, seen []snapshot) (err error) {
	asked := make([]*imapclient.StatusCommand, len(folders))
	for i, name := range folders {
		asked[i] = s.client.Status(name, &imap.StatusOptions{NumMessages: true, UIDNext: true, UIDValidity: true, HighestModSeq: true})
	}
	for i, name := range folders {
		data, failed := asked[i].Wait()
		if _, refused := answered(failed); failed != nil && !refused {
			err = s.fault("look into a folder", failed)
		}
		if failed == nil && data.NumMessages != nil {
			seen[i] = snapshot{folder: name, validity: data.UIDValidity, exists: *data.NumMessages, next: uint32(data.UIDNext), modseq: data.HighestModSeq}
		}
	}
	return err
}

// look selects a folder and, where its modifications are not counted, finds
// the messages that List leaves out.
func (s *Source) look(name string) (snapshot, error) {
	if err := s.selectFolder(name); err != nil {
		return snapshot{}, err
	}
	v := s.snapshot
	v.deleted = imap.UIDSet{}
	if v.modseq > 0 || v.exists == 0 || v.next == 0 {
		return v, nil
	}
	options := &imap.SearchOptions{ReturnAll: true}
	if !s.can.all(esearch) {
		if v.exists > maxSearched {
			v.deleted = nil
			return v, nil
		}
		options = nil
	}
	data, err := s.client.UIDSearch(&imap.SearchCriteria{Flag: []imap.Flag{imap.FlagDeleted}}, options).Wait()
	if err != nil {
		return v, s.fault("search a folder", err)
	}
	if data.All != nil {
		v.deleted = data.All
	}
	return v, nil
}

// says reports whether the server told enough for a digest.
func (v snapshot) says() bool {
	return v.validity > 0 && v.next > 0 && (v.modseq > 0 || v.deleted != nil)
}

func (v snapshot) append(b []byte) []byte {
	b = fmt.Appendf(b, "%q %d %d %d ", v.folder, v.validity, v.next, v.exists)
	if v.modseq > 0 {
		return fmt.Appendf(b, "modseq %d\n", v.modseq)
	}
	return fmt.Appendf(b, "deleted %s\n", v.deleted)
}
