package postgres

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/systemdb"
	"github.com/smtp-sync/smtp-sync/internal/store/postgres/userdb"
)

// Export gives what is held about a user, but for the log (Lines) and what the
// ledger remembers (Remembered).
func (s *Store) Export(ctx context.Context, user id.User) (e account.Export, err error) {
	e = account.Export{At: time.Now().UTC(), LeftOut: account.LeftOut(), User: user.String()}
	for _, part := range []func(context.Context, id.User, *account.Export) error{
		s.exportPerson, s.exportBoxes, s.exportLogins, s.exportRest, s.exportRules,
	} {
		if err := part(ctx, user, &e); err != nil {
			return account.Export{}, err
		}
	}
	return e, nil
}

func (s *Store) exportPerson(ctx context.Context, user id.User, e *account.Export) (err error) {
	if e.Profile, err = s.Profile(ctx, user); err != nil {
		return err
	}
	if e.Access, err = s.Access(ctx, user); err != nil {
		return err
	}
	p, err := s.Person(ctx, user)
	if errors.Is(err, account.ErrNone) {
		return nil
	}
	e.Person = &p
	return err
}

func (s *Store) exportBoxes(ctx context.Context, user id.User, e *account.Export) error {
	boxes, err := s.Mailboxes(ctx, user)
	if err != nil {
		return err
	}
	standing, err := s.Standing(ctx, user)
	if err != nil {
		return err
	}
	for _, m := range boxes {
		st, err := s.Schedule(ctx, user, m.ID)
		if err != nil {
			return err
		}
		messages := map[string]any{}
		for status, n := range standing[m.ID] {
			messages[string(status)] = n.Messages
			if n.Bytes > 0 {
				messages[string(status)+"_bytes"] = n.Bytes
			}
		}
		e.Boxes = append(e.Boxes, account.HeldBox{
			ID: m.ID.String(), Name: m.Name, Protocol: m.Protocol, Host: m.Host, Port: m.Port, Security: m.Security, Username: m.Username,
			HasPassword: !m.Password.Empty(), Provider: m.Consent.Provider, Connected: !m.Consent.Refresh.Empty(), TokenEnds: m.Consent.Ends, Folders: m.Folders, Label: m.Label, Archive: m.Archive, AfterImport: m.AfterImport,
			History: m.History, Since: m.Since, NewestFirst: m.NewestFirst, PollEvery: m.PollEvery.String(), Authserv: m.Authserv, Created: m.Created,
			State: heldState(st), Messages: messages,
		})
	}
	return nil
}

func heldState(st schedule.State) map[string]any {
	return map[string]any{
		"phase": st.Phase.String(), "until": st.Until, "reason": st.Reason, "failures": st.Failures, "failing_since": st.First,
		"interval": st.Interval.String(), "server_asks_for": st.Floor.String(), "last_sync_at": st.LastSync,
		"source_undone": st.Undone, "source_asked_at": st.Asked, "change_accepted": st.Accepted,
		"listing_digest": hex.EncodeToString(st.Digest[:]), "backlog": st.Backlog,
	}
}

func (s *Store) exportLogins(ctx context.Context, user id.User, e *account.Export) error {
	logins, err := s.Sessions(ctx, user)
	if err != nil {
		return err
	}
	for _, l := range logins {
		e.Logins = append(e.Logins, account.HeldLogin{ID: l.ID.String(), Client: l.Client, Created: l.Created.UTC(), LastSeen: l.LastSeen.UTC()})
	}
	tokens, err := s.Tokens(ctx, user)
	for _, t := range tokens {
		e.Tokens = append(e.Tokens, account.HeldToken{ID: t.ID.String(), Name: t.Name, Scopes: t.Scopes.Names(),
			Created: t.Created.UTC(), Expires: t.Expires.UTC(), LastUsed: t.LastUsed.UTC()})
	}
	return err
}

func (s *Store) exportRest(ctx context.Context, user id.User, e *account.Export) error {
	p, err := s.person(ctx, user)
	if err != nil {
		return err
	}
	err = s.system(ctx, func(ctx context.Context, q *systemdb.Queries) error {
		days, err := q.QuotaOfUser(ctx, user[:])
		for _, d := range days {
			e.Days = append(e.Days, account.HeldDay{Day: d.Day, Bytes: d.Bytes})
		}
		return err
	})
	if err != nil {
		return err
	}
	var claims []userdb.HeldClaimsRow
	err = s.inUser(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
		var err error
		if claims, err = q.HeldClaims(ctx); err != nil {
			return err
		}
		asked, err := q.HeldRequests(ctx)
		for _, a := range asked {
			e.Asked = append(e.Asked, account.HeldAsk{At: instant(a.At), Status: int(a.Status), Resource: a.Resource})
		}
		return err
	})
	for _, c := range claims {
		if err == nil {
			err = s.exportClaim(ctx, p, c, e)
		}
	}
	return err
}

func (s *Store) exportClaim(ctx context.Context, p *person, c userdb.HeldClaimsRow, e *account.Export) error {
	box := id.Mailbox(c.ID)
	k, err := s.keysOf(ctx, p, box)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it is being wiped
	}
	if err != nil {
		return err
	}
	var a struct {
		Verdict json.RawMessage `json:"verdict"`
		Domain  string          `json:"domain"`
	}
	if err := opened(k.Sealer, claimPlace(p.user, box, "about", c.Pair), c.About, &a); err != nil {
		return err
	}
	h := account.HeldClaim{Mailbox: box.String(), Key: hex.EncodeToString(c.Pair), At: instant(c.At), Domain: a.Domain,
		Size: c.Size, Verdict: a.Verdict, Sent: c.CheckpointOffset, Absent: c.Absent}
	h.Attempts, h.Wanted = tries(c.Attempts)
	e.Uploads = append(e.Uploads, h)
	return nil
}

func (s *Store) exportRules(ctx context.Context, user id.User, e *account.Export) error {
	all, err := s.Rules(ctx, user)
	if err != nil {
		return err
	}
	for i, r := range all {
		h := account.HeldRule{ID: r.ID.String(), Position: i + 1, Name: r.Name, Plugin: r.Plugin, Config: r.Config, Enabled: r.Enabled,
			Created: r.Created, Asked: r.Asked, Failed: r.Failed, Fault: r.Fault}
		if !r.Everywhere {
			h.Mailboxes = []string{}
		}
		for _, box := range r.Mailboxes {
			h.Mailboxes = append(h.Mailboxes, box.String())
		}
		e.Rules = append(e.Rules, h)
	}
	modules, err := s.Modules(ctx, user)
	for _, m := range modules {
		e.Modules = append(e.Modules, account.HeldModule{Digest: m.Digest.String(), Size: m.Size, Manifest: m.Manifest, Added: m.Added})
	}
	return err
}

// Remembered yields what the ledger has of each message of a mailbox that has
// ended, in chunks: what is written meanwhile may be missing.
func (s *Store) Remembered(ctx context.Context, user id.User, box id.Mailbox) iter.Seq2[account.Remembered, error] {
	return func(yield func(account.Remembered, error) bool) {
		for last, n := []byte{}, chunk; n == chunk; {
			var rows []userdb.EntriesAfterRow
			err := s.inUser(ctx, user, func(ctx context.Context, q *userdb.Queries) error {
				number, err := q.MailboxNumber(ctx, box[:])
				if err == nil {
					rows, err = q.EntriesAfter(ctx, userdb.EntriesAfterParams{Mailbox: number, Last: last, Most: chunk})
				}
				return none(err)
			})
			if err != nil {
				yield(account.Remembered{}, err)
				return
			}
			for _, r := range rows {
				e := account.Remembered{Key: hex.EncodeToString(r.Pair), Status: string(ledger.State(r.State).Status()), Absent: r.Absent, Day: ledger.Day(r.Day).String()}
				e.Attempts, e.Wanted = tries(r.Attempts)
				if last = r.Pair; !yield(e, nil) {
					return
				}
			}
			n = len(rows)
		}
	}
}
