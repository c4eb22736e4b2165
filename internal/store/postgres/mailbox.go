package postgres

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// settings are what is kept of a mailbox, sealed under its key: all but its id,
// its age, and the password, which has a column of its own.
type settings struct {
	Protocol    string           `json:"protocol"`
	Host        string           `json:"host"`
	Port        int              `json:"port"`
	Security    string           `json:"security"`
	Username    string           `json:"username"`
	Name        string           `json:"name,omitempty"`
	Folders     []account.Folder `json:"folders,omitempty"`
	Label       string           `json:"label,omitempty"`
	Archive     bool             `json:"archive,omitempty"`
	AfterImport string           `json:"after_import,omitempty"`
	History     string           `json:"history,omitempty"`
	Since       int64            `json:"since,omitempty"` // Unix nanoseconds
	NewestFirst bool             `json:"newest_first,omitempty"`
	PollEvery   time.Duration    `json:"poll_every,omitempty"`
}

func settingsOf(m account.Mailbox) settings {
	return settings{m.Protocol, m.Identity().Host, m.Port, m.Security, m.Username, m.Name, m.Folders, m.Label, m.Archive, m.AfterImport,
		m.History, nanos(m.Since), m.NewestFirst, m.PollEvery}
}

func (s settings) mailbox() account.Mailbox {
	return account.Mailbox{Name: s.Name, Protocol: s.Protocol, Host: s.Host, Port: s.Port, Security: s.Security, Username: s.Username,
		Folders: s.Folders, Label: s.Label, Archive: s.Archive, AfterImport: s.AfterImport, History: s.History, Since: instant(s.Since),
		NewestFirst: s.NewestFirst, PollEvery: s.PollEvery}
}

// EnsureMailbox finds the mailbox of the same identity, as it is stored, or
// makes it as m says.
//
// Two who make the same one come one after the other, on whatever node: what tells
// that they are the same is sealed, so no constraint can. The salt is made first;
// a crash right after it leaves one that no mailbox uses, and that goes with its
// user.
func (s *Store) EnsureMailbox(ctx context.Context, user id.User, m account.Mailbox) (account.Mailbox, error) {
	box, err := s.findMailbox(ctx, user, m.Identity())
	if errors.Is(err, account.ErrNone) {
		if err = s.makeMailbox(ctx, user, m); err == nil {
			box, err = s.findMailbox(ctx, user, m.Identity())
		}
	}
	return box, err
}

// makeMailbox makes a mailbox unless there is one of its identity.
func (s *Store) makeMailbox(ctx context.Context, user id.User, m account.Mailbox) error {
	p, err := s.person(ctx, user)
	if err != nil {
		return err
	}
	m.ID, m.Created = id.New[id.Mailbox](), time.Now()
	if _, err := s.keys.CreateSalt(ctx, p.key, m.ID); err != nil {
		return err
	}
	made := false
	text, password, err := s.sealMailbox(ctx, p, m)
	if err == nil {
		err = s.inBoth(ctx, user, func(ctx context.Context, q *userdb.Queries, sys *systemdb.Queries) error {
			if _, err := q.LockProfile(ctx); err != nil {
				return none(err)
			}
			rows, err := q.Mailboxes(ctx)
			if err != nil {
				return err
			}
			for _, r := range rows {
				// The keys of those that were there when this was called are open.
				is, err := s.openMailbox(ctx, p, r)
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					return err
				}
				if err == nil && is.Identity() == m.Identity() {
					return nil // somebody was faster
				}
			}
			n, err := q.InsertMailbox(ctx, userdb.InsertMailboxParams{ID: m.ID[:], Settings: text, Password: password, Created: nanos(m.Created)})
			if err != nil {
				return err
			}
			made = true
			if err := q.InsertSchedule(ctx, n); err != nil {
				return err
			}
			return sys.Register(ctx, s.registration(user, m))
		})
	}
	if err != nil || !made {
		err = errors.Join(err, s.discard(context.WithoutCancel(ctx), p, m.ID))
	}
	return err
}

// discard destroys the salt of a mailbox that was not made. Where it is not known
// how the making ended, it asks first.
func (s *Store) discard(ctx context.Context, p *person, box id.Mailbox) error {
	err := s.once(ctx, p.user, func(ctx context.Context, q *userdb.Queries) error {
		_, err := q.MailboxNumber(ctx, box[:])
		return none(err)
	})
	if !errors.Is(err, account.ErrNone) {
		return err
	}
	err = s.keys.DestroySalt(ctx, p.user, box)
	s.people.forget(p.user)
	return err
}

func (s *Store) findMailbox(ctx context.Context, user id.User, i account.Identity) (account.Mailbox, error) {
	boxes, err := s.Mailboxes(ctx, user)
	for _, m := range boxes {
		if m.Identity() == i {
			return m, nil
		}
	}
	if err == nil {
		err = account.ErrNone
	}
	return account.Mailbox{}, err
}

// Mailbox gives one mailbox of a user, or account.ErrNone.
func (s *Store) Mailbox(ctx context.Context, user id.User, box id.Mailbox) (account.Mailbox, error) {
	m, _, err := s.Load(ctx, user, box)
	return m, err
}

// Mailboxes gives a user's mailboxes, in the order of their making. One whose salt
// is destroyed is being wiped, or came back with a backup: there is none any more.
func (s *Store) Mailboxes(ctx context.Context, user id.User) (out []account.Mailbox, err error) {
	p, err := s.person(ctx, user)
	if err != nil {
		return nil, err
	}
	var rows []userdb.MailboxesRow
	err = s.once(ctx, user, func(ctx context.Context, q *userdb.Queries) (err error) {
		rows, err = q.Mailboxes(ctx)
		return err
	})
	for _, r := range rows {
		m, err := s.openMailbox(ctx, p, r)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, err
}

// UpdateMailbox changes a mailbox in all but its identity. An empty password
// leaves the one that is kept.
func (s *Store) UpdateMailbox(ctx context.Context, user id.User, m account.Mailbox) error {
	p, err := s.person(ctx, user)
	if err != nil {
		return err
	}
	text, password, err := s.sealMailbox(ctx, p, m)
	if err != nil {
		return noSalt(err)
	}
	return s.inBoth(ctx, user, func(ctx context.Context, q *userdb.Queries, sys *systemdb.Queries) error {
		r, err := q.LockMailbox(ctx, m.ID[:])
		if err != nil {
			return none(err)
		}
		is, err := s.openMailbox(ctx, p, userdb.MailboxesRow{ID: m.ID[:], Settings: r.Settings})
		if err != nil {
			return noSalt(err)
		}
		if is.Identity() != m.Identity() {
			return account.ErrIdentity
		}
		if err := q.UpdateMailbox(ctx, userdb.UpdateMailboxParams{Settings: text, Password: password, ID: m.ID[:]}); err != nil {
			return err
		}
		return sys.Register(ctx, s.registration(user, m)) // another port of the same maildrop is another lane
	})
}

// noSalt turns the absence of a salt into that of the mailbox.
func noSalt(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return account.ErrNone
	}
	return err
}

func (s *Store) sealMailbox(ctx context.Context, p *person, m account.Mailbox) (text, password []byte, err error) {
	k, err := s.keysOf(ctx, p, m.ID)
	if err != nil {
		return nil, nil, err
	}
	if text, err = sealed(k.Sealer, p.place("mailboxes", "settings", m.ID[:]), settingsOf(m)); err != nil {
		return nil, nil, err
	}
	if !m.Password.Empty() {
		password = k.Sealer.Seal(p.place("mailboxes", "password", m.ID[:]), m.Password)
	}
	return text, password, nil
}

func (s *Store) openMailbox(ctx context.Context, p *person, r userdb.MailboxesRow) (account.Mailbox, error) {
	k, err := s.keysOf(ctx, p, id.Mailbox(r.ID))
	if err != nil {
		return account.Mailbox{}, err
	}
	var text settings
	if err := opened(k.Sealer, p.place("mailboxes", "settings", r.ID), r.Settings, &text); err != nil {
		return account.Mailbox{}, err
	}
	m := text.mailbox()
	m.ID, m.Created, m.Password = id.Mailbox(r.ID), instant(r.Created), vault.Secret{}
	if len(r.Password) > 0 {
		m.Password, err = k.Sealer.Open(p.place("mailboxes", "password", r.ID), r.Password)
	}
	return m, err
}
