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
		if s.next == 0 { // their number is all we know this folder by
			s.dialer.show(snapshot{folder: s.folder})
		}
		return s.client.UIDExpunge(uids).Close()
	})
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
