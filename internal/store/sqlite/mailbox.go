package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite/userdb"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// EnsureMailbox finds the mailbox of the same identity, as it is stored, or
// makes it as m says.
//
// The salt is made first and the row in the wheel second: no mailbox is without
// either. A crash before the mailbox itself leaves a row in the wheel that leads
// nowhere, which Load finds and takes away.
func (s *Store) EnsureMailbox(ctx context.Context, user id.User, m account.Mailbox) (box account.Mailbox, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		box, err = u.findMailbox(ctx, m.Identity())
		if errors.Is(err, account.ErrNone) {
			if err = s.makeMailbox(ctx, u, m); err == nil {
				box, err = u.findMailbox(ctx, m.Identity())
			}
		}
		if err != nil {
			return err
		}
		// For one that a restored backup of another moment knows and the wheel does not.
		return s.register(ctx, user, box)
	})
	return box, err
}

func (s *Store) makeMailbox(ctx context.Context, u *userDB, m account.Mailbox) error {
	m.ID, m.Created = id.New[id.Mailbox](), time.Now()
	// Load takes a row of the wheel without a mailbox for the remains of a crash.
	making := s.making.lock(m.ID)
	defer making.Unlock()
	if _, err := s.keys.CreateSalt(ctx, u.key, m.ID); err != nil {
		return err
	}
	var made int64
	row, err := u.mailboxRow(ctx, m)
	var consent userdb.PutConsentParams
	if err == nil && m.Consent.Provider != "" {
		consent, err = u.consentRow(ctx, m.ID, m.Consent)
	}
	if err == nil {
		err = s.register(ctx, u.key.User(), m)
	}
	if err == nil {
		err = u.write(ctx, func() error {
			return u.alone(func() (err error) {
				if made, err = u.q.InsertMailbox(context.Background(), row); err == nil {
					err = u.q.InsertSchedule(context.Background(), m.ID[:])
				}
				if err == nil && made > 0 {
					err = u.enter(m, consent)
				}
				return err
			})
		})
	}
	if err != nil || made == 0 { // it failed, or somebody was faster
		err = errors.Join(err, s.discard(context.WithoutCancel(ctx), u.key.User(), m.ID))
	}
	return err
}

// discard takes away what was made for a mailbox that is not there.
func (s *Store) discard(ctx context.Context, user id.User, box id.Mailbox) error {
	err := s.keys.DestroySalt(ctx, user, box)
	if err == nil {
		_, err = s.unregister(ctx, user, box)
	}
	return err
}

func (u *userDB) findMailbox(ctx context.Context, i account.Identity) (m account.Mailbox, err error) {
	err = u.read(ctx, func(ctx context.Context) error {
		r, err := u.q.MailboxByIdentity(ctx, userdb.MailboxByIdentityParams{
			Protocol: i.Protocol, Host: i.Host, Service: int64(i.Service), Username: i.Username,
		})
		if err == nil {
			m, err = u.mailbox(ctx, r)
		}
		return none(err)
	})
	return m, err
}

// Mailbox gives one mailbox of a user, or account.ErrNone.
func (s *Store) Mailbox(ctx context.Context, user id.User, box id.Mailbox) (account.Mailbox, error) {
	m, _, err := s.Load(ctx, user, box)
	return m, err
}

// Mailboxes gives a user's mailboxes, in the order of their making.
func (s *Store) Mailboxes(ctx context.Context, user id.User) (out []account.Mailbox, err error) {
	err = s.inUser(ctx, user, func(u *userDB) error {
		return u.read(ctx, func(ctx context.Context) error {
			rows, err := u.q.Mailboxes(ctx)
			if err != nil {
				return err
			}
			for _, r := range rows {
				m, err := u.mailbox(ctx, r)
				if err != nil {
					return err
				}
				out = append(out, m)
			}
			return nil
		})
	})
	return out, err
}

// UpdateMailbox changes a mailbox in all but its identity. Without a password
// and a consent those that are kept stay. One that was replaced is gone from the
// file and its WAL when this returns.
func (s *Store) UpdateMailbox(ctx context.Context, user id.User, m account.Mailbox) error {
	return s.inUser(ctx, user, func(u *userDB) error {
		r, err := u.mailboxRow(ctx, m)
		var consent userdb.PutConsentParams
		if err == nil && m.Consent.Provider != "" {
			consent, err = u.consentRow(ctx, m.ID, m.Consent)
		}
		if err != nil {
			return noSalt(err)
		}
		change := func() error {
			n, err := u.q.UpdateMailbox(context.Background(), userdb.UpdateMailboxParams{
				Name: r.Name, Port: r.Port, Security: r.Security, Password: r.Password, Folders: r.Folders, Label: r.Label,
				Archive: r.Archive, AfterImport: r.AfterImport, History: r.History, Since: r.Since, NewestFirst: r.NewestFirst,
				PollEvery: r.PollEvery, Authserv: r.Authserv,
				ID: r.ID, Protocol: r.Protocol, Host: r.Host, Service: r.Service, Username: r.Username,
			})
			if err == nil && n == 0 {
				if _, err = u.q.MailboxNumber(context.Background(), r.ID); err == nil {
					err = account.ErrIdentity
				}
			}
			if err == nil {
				err = u.q.AskAgain(context.Background(), r.ID)
			}
			if err == nil {
				err = u.enter(m, consent)
			}
			return none(err)
		}
		err = u.write(ctx, func() error { return u.alone(change) })
		if err == nil && (r.Password != nil || m.Consent.Provider != "") {
			err = u.scrub(ctx)
		}
		if err != nil {
			return err
		}
		return s.register(ctx, user, m) // another port of the same maildrop is another lane
	})
}

func (u *userDB) place(table, column string, row []byte) vault.Place {
	return vault.Place{Table: table, Column: column, Row: string(row), User: u.key.User()}
}

func (u *userDB) mailboxRow(ctx context.Context, m account.Mailbox) (userdb.InsertMailboxParams, error) {
	i := m.Identity()
	folders, err := json.Marshal(m.Folders)
	r := userdb.InsertMailboxParams{
		ID: m.ID[:], Protocol: i.Protocol, Host: i.Host, Service: int64(i.Service), Username: i.Username,
		Name: m.Name, Port: int64(m.Port), Security: m.Security, Folders: string(folders), Label: m.Label,
		Archive: number(m.Archive), AfterImport: m.AfterImport, History: m.History, Since: nanos(m.Since),
		NewestFirst: number(m.NewestFirst), PollEvery: int64(m.PollEvery), Authserv: strings.Join(m.Authserv, " "), Created: nanos(m.Created),
	}
	if err == nil && !m.Password.Empty() {
		var k *vault.BoxKeys
		if k, err = u.keysOf(ctx, m.ID); err == nil {
			r.Password = k.Sealer.Seal(u.place("mailboxes", "password", m.ID[:]), m.Password)
		}
	}
	return r, err
}

func (u *userDB) mailbox(ctx context.Context, r userdb.Mailbox) (account.Mailbox, error) {
	m := account.Mailbox{
		ID: id.Mailbox(r.ID), Name: r.Name, Protocol: r.Protocol, Host: r.Host, Port: int(r.Port), Security: r.Security,
		Username: r.Username, Label: r.Label, Archive: r.Archive != 0, AfterImport: r.AfterImport, History: r.History,
		Since: instant(r.Since), NewestFirst: r.NewestFirst != 0, PollEvery: time.Duration(r.PollEvery),
		Authserv: strings.Fields(r.Authserv), Created: instant(r.Created),
	}
	err := json.Unmarshal([]byte(r.Folders), &m.Folders)
	if err != nil {
		return m, fmt.Errorf("folders: %w", err)
	}
	if len(r.Password) == 0 {
		if m.Consent, err = u.consent(ctx, m.ID); errors.Is(err, account.ErrNone) {
			err = nil
		}
		return m, err
	}
	m.Password, err = u.password(ctx, m.ID, r.Password)
	return m, err
}
