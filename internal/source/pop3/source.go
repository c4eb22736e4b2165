package pop3

import (
	"context"
	"time"

	gopop3 "github.com/knadh/go-pop3"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Source is one logged-in session. It is used by one goroutine at a time.
// The server locks the maildrop as long as it is open: keep it short.
type Source struct {
	host string
	conn *dial.LineConn
	tap  *tap
	lib  *gopop3.Conn
	caps capabilities
	hide []string // what must not be quoted from the server's words, during login

	counted bool // highest is known
	highest int  // messages at the first STAT
	marked  int  // messages marked for deletion
	noUIDL  bool

	digested bool // listed is what Digest read, for the List that follows
	listed   []entry
	noTop    bool
	closed   bool
	dead     error // why nothing more can be done; a Fault
}

// LoginDelay is the pause between logins that the server asks for (RFC 2449
// 6.5); 0 if it asks for none.
func (s *Source) LoginDelay() time.Duration { return s.caps.loginDelay }

// MarkSeen always fails: POP3 has no flags.
func (s *Source) MarkSeen(context.Context, []mail.Ref) error {
	return &mail.Fault{Class: mail.Setup, Code: "no_seen_flag",
		Text: "POP3 has no seen flag", Help: `choose "leave" or "delete" for this mailbox, or connect it with IMAP`}
}

// Move always fails: POP3 has no folders.
func (s *Source) Move(context.Context, []mail.Ref, string) error {
	return &mail.Fault{Class: mail.Setup, Code: "no_folders",
		Text: "POP3 has no folders", Help: `choose "leave" or "delete" for this mailbox, or connect it with IMAP`}
}

// Delete marks messages for deletion. They are gone when Close returns nil,
// and all still there after anything else.
func (s *Source) Delete(ctx context.Context, refs []mail.Ref) error {
	end, err := s.begin(ctx, listLimit)
	if err != nil {
		return err
	}
	defer end()
	s.forget()
	var failed error
	b := batch{s: s, refs: refs, verb: "DELE"}
	for range refs {
		ref, r, err := b.next()
		switch {
		case err != nil:
			return err
		case r.ok:
			s.marked++
		case failed == nil:
			failed = deleteFailed(undelivered(ref, r))
		}
	}
	return failed
}

// Close says QUIT, which carries out the deletions (RFC 1939 6), and frees
// the connection in any case. Its error means that they were not carried out,
// or that nobody knows. A second Close does nothing.
func (s *Source) Close(ctx context.Context) error {
	if s.closed {
		return nil
	}
	s.closed = true
	err := s.quit(ctx)
	s.dead = closedFault()
	return err
}

func (s *Source) quit(ctx context.Context) error {
	end, err := s.begin(ctx, quitLimit)
	if err == nil {
		defer end()
		var r reply
		if r, err = s.library(s.lib.Quit); err == nil && !r.ok {
			err = r.err()
		}
	}
	if err == nil {
		return nil
	}
	_ = s.fail(err)
	if s.marked == 0 {
		return nil
	}
	return deleteFailed(err)
}

func closedFault() error {
	return &mail.Fault{Class: mail.Transient, Code: "closed", Text: "the session with the mailbox has ended"}
}
