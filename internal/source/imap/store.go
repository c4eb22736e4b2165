package imap

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Delete flags the messages \Deleted and removes exactly them with UID EXPUNGE
// (RFC 4315). Where the server lacks that they stay flagged, which mail
// programs show as deleted, until their owner's program expunges: a plain
// EXPUNGE would also remove what others have flagged.
func (s *Source) Delete(ctx context.Context, refs []mail.Ref) error {
	return s.each(ctx, refs, "delete messages", func(uids imap.UIDSet) error {
		if err := s.flag(uids, imap.FlagDeleted); err != nil || !s.can.all(uidplus) {
			return err
		}
		return s.expunge(uids)
	})
}

// expunge removes what has been flagged, and nothing that others have flagged.
func (s *Source) expunge(uids imap.UIDSet) error {
	s.shrink()
	return s.client.UIDExpunge(uids).Close()
}

// shrink notes that messages leave the folder by our hand.
func (s *Source) shrink() {
	if s.next == 0 { // their number is all we know this folder by
		s.dialer.show(snapshot{folder: s.folder})
	}
}

// Move puts the messages into another folder, which is made where there is
// none: with MOVE (RFC 6851), which does it in one step, else with COPY and UID
// EXPUNGE. One that carries \Deleted there was copied before a crash, and is
// only expunged. A server that has neither MOVE nor UIDPLUS could only expunge
// everything that anybody has flagged: the error is of class Setup.
func (s *Source) Move(ctx context.Context, refs []mail.Ref, folder string) error {
	if !s.can.all(move) && !s.can.all(uidplus) {
		return &mail.Fault{Class: mail.Setup, Code: "move_unsupported",
			Text: s.cfg.Host + " cannot move single messages", Help: `choose "leave" or "seen" for what happens to the original`}
	}
	copied := func(r mail.Ref) bool { return r.Deleted && !s.can.all(move) }
	err := s.each(ctx, slices.DeleteFunc(slices.Clone(refs), copied), moving, func(uids imap.UIDSet) error {
		err := s.moveOrCopy(uids, folder)
		if r, ok := answered(err); ok && r.noFolder(s.cfg.Host) {
			if err = s.client.Create(folder, nil).Wait(); err == nil {
				err = s.moveOrCopy(uids, folder)
			}
		}
		if err != nil || s.can.all(move) {
			return err
		}
		if err := s.flag(uids, imap.FlagDeleted); err != nil {
			return err
		}
		return s.expunge(uids)
	})
	if err != nil {
		return err
	}
	return s.each(ctx, slices.DeleteFunc(slices.Clone(refs), func(r mail.Ref) bool { return !copied(r) }), moving, s.expunge)
}

const moving = "move messages"

func (s *Source) moveOrCopy(uids imap.UIDSet, folder string) error {
	if !s.can.all(move) {
		_, err := s.client.Copy(uids, folder).Wait()
		return err
	}
	s.shrink()
	_, err := s.client.Move(uids, folder).Wait()
	return err
}

// MarkSeen flags the messages \Seen.
func (s *Source) MarkSeen(ctx context.Context, refs []mail.Ref) error {
	return s.each(ctx, refs, "mark messages as read", func(uids imap.UIDSet) error {
		return s.flag(uids, imap.FlagSeen)
	})
}

func (s *Source) flag(uids imap.UIDSet, flag imap.Flag) error {
	return s.client.Store(uids, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{flag}}, nil).Close()
}

// each runs do for the UIDs of refs, folder by folder, in portions that keep
// the command line under the thousand octets every server takes (RFC 2683
// 3.2.1.5).
func (s *Source) each(ctx context.Context, refs []mail.Ref, doing string, do func(imap.UIDSet) error) error {
	if s.cfg.ReadOnly {
		return &mail.Fault{Class: mail.Setup, Code: "read_only", Text: "the mailbox was opened for reading only"}
	}
	for first := 0; first < len(refs); {
		n := 1
		for first+n < len(refs) && n < groupMessages && sameFolder(refs[first], refs[first+n]) {
			n++
		}
		if err := s.portion(ctx, refs[first:first+n], doing, do); err != nil {
			return err
		}
		first += n
	}
	return nil
}

func sameFolder(a, b mail.Ref) bool { return a.Folder == b.Folder && a.Validity == b.Validity }

func (s *Source) portion(ctx context.Context, refs []mail.Ref, doing string, do func(imap.UIDSet) error) error {
	w := s.watch(ctx, answerTime, doing)
	defer w.end()
	if err := s.open(refs[0]); err != nil {
		return err
	}
	var uids imap.UIDSet
	for _, ref := range slices.SortedFunc(slices.Values(refs), byUID) {
		uids.AddNum(imap.UID(ref.UID))
	}
	if err := do(uids); err != nil {
		return s.fault(doing, err)
	}
	return nil
}
