package sqlite

import (
	"bytes"
	"crypto/aes"
	"errors"
	"os"
	"testing"

	"golang.org/x/crypto/xts"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// plain reads a database as the disk has it, decrypted: all pages, in use or
// free. Its WAL must be empty.
func plain(t *testing.T, path string, key vault.Secret) []byte {
	t.Helper()
	if i, err := os.Stat(path + "-wal"); err != nil || i.Size() != 0 {
		t.Errorf("the WAL of %s is not empty: %v", path, err)
	}
	b, err := os.ReadFile(path)
	ok(t, err)
	c, err := xts.NewCipher(aes.NewCipher, key.Reveal())
	ok(t, err)
	const sector = 512
	for n := range len(b) / sector {
		c.Decrypt(b[n*sector:][:sector], b[n*sector:][:sector], uint64(n))
	}
	if !bytes.HasPrefix(b, []byte("SQLite format 3")) {
		t.Fatalf("%s did not decrypt", path)
	}
	return b
}

// blobs gives the values of a column as they are stored.
func blobs(t *testing.T, d *database, sql string) (out [][]byte) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	st, _, err := d.conn.Prepare(sql)
	ok(t, err)
	for st.Step() {
		out = append(out, st.ColumnBlob(0, nil))
	}
	ok(t, st.Close())
	return out
}

// atWork is a user with a grant, an imported message and two on their way.
func atWork(t *testing.T, s *Store) (u id.User, box id.Mailbox, l *Ledger, done ledger.Key, under []ledger.Claim) {
	u = newUser(t, s, "MARK-subject")
	ok(t, s.PutGrant(t.Context(), u, account.Grant{RefreshToken: vault.NewSecret("MARK-token"), Email: "MARK-email", Sub: "MARK-subject"}))
	box = newMailbox(t, s, u, "box")
	l = takeLedger(t, s, u, box)
	done = newKey()
	ok(t, l.Record(t.Context(), done, ledger.Outcome{Status: mail.Imported, Domain: "a.example", Size: 7}))
	for n := range 2 {
		c := newClaim("MARK-session")
		c.Domain, c.Size = "b.example", int64(100+n)
		ok(t, l.Claim(t.Context(), c))
		under = append(under, c)
	}
	return u, box, l, done, under
}

func TestRevocationMakesDoubtfulWhatWasOnItsWay(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u, box, l, done, under := atWork(t, s)
	var gone [][]byte // as they are sealed
	ok(t, s.inUser(t.Context(), u, func(u *userDB) error {
		gone = blobs(t, u.database, "SELECT session FROM claims UNION ALL SELECT refresh_token FROM grants UNION ALL SELECT email FROM person UNION ALL SELECT sub FROM person")
		return nil
	}))
	if len(gone) != 5 {
		t.Fatalf("sealed values = %d, want 5", len(gone))
	}
	ok(t, s.DropGrant(t.Context(), u))

	// Whoever was uploading is fenced: under the old token nothing ends or begins.
	for name, err := range map[string]error{
		"settle": l.Settle(t.Context(), under[0].Key, ledger.Outcome{Status: mail.Imported}), "claim": l.Claim(t.Context(), newClaim("x")),
	} {
		if !errors.Is(err, ledger.ErrFenced) {
			t.Errorf("%s after a revocation: %v, want %v", name, err, ledger.ErrFenced)
		}
	}
	ok(t, s.DropGrant(t.Context(), u)) // again, and nothing more happens
	l = takeLedger(t, s, u, box)
	if claims, err := l.Claims(t.Context()); err != nil || len(claims) != 0 {
		t.Errorf("claims = %d (%v), want none", len(claims), err)
	}
	entries, err := l.Entries(t.Context())
	ok(t, err)
	states := map[ledger.Key]ledger.State{}
	for _, e := range entries {
		states[e.Key] = e.State
	}
	if len(entries) != 3 || states[done] != ledger.Imported || states[under[0].Key] != ledger.Doubtful || states[under[1].Key] != ledger.Doubtful {
		t.Errorf("states = %v, want one imported and two doubtful", states)
	}
	// Who connects again gets nothing twice.
	for _, k := range []ledger.Key{done, under[0].Key, under[1].Key} {
		if err := l.Claim(t.Context(), ledger.Claim{Key: k, Session: vault.NewSecret("x")}); !errors.Is(err, ledger.ErrTaken) {
			t.Errorf("claim of a message seen before: %v, want %v", err, ledger.ErrTaken)
		}
	}
	p, err := s.List(t.Context(), u, audit.Filter{Status: mail.Doubtful}, "", 0)
	ok(t, err)
	if len(p.Entries) != 2 || p.Entries[0].Reason != "grant_revoked" || p.Entries[0].Domain != "b.example" || p.Entries[0].Size+p.Entries[1].Size != 201 {
		t.Errorf("lines = %+v, want one for each doubtful message", p.Entries)
	}
	ok(t, s.inUser(t.Context(), u, func(u *userDB) error {
		ok(t, u.scrub(t.Context()))
		pages := plain(t, u.path, u.page)
		for _, g := range gone {
			if bytes.Contains(pages, g) {
				t.Error("something that was sealed is still on a page")
			}
		}
		return nil
	}))
}

// TestRevocationIsOneStep: what cannot be done whole is not begun.
func TestRevocationIsOneStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, _, l, _, under := atWork(t, w.s)
	w.user = u
	repair := w.BreakAudit(t)
	if err := w.s.DropGrant(t.Context(), u); err == nil {
		t.Fatal("a revocation without its lines went through")
	}
	if _, err := w.s.Grant(t.Context(), u); err != nil {
		t.Errorf("grant = %v: it went without the rest", err)
	}
	if claims, err := l.Claims(t.Context()); err != nil || len(claims) != len(under) {
		t.Errorf("claims = %d (%v), want %d", len(claims), err, len(under))
	}
	repair()
	if err := l.Settle(t.Context(), under[0].Key, ledger.Outcome{Status: mail.Imported}); err != nil {
		t.Errorf("settle = %v: it was fenced without the rest", err)
	}
	ok(t, w.s.DropGrant(t.Context(), u))
	if _, err := w.s.Grant(t.Context(), u); !errors.Is(err, account.ErrNone) {
		t.Errorf("grant = %v, want %v", err, account.ErrNone)
	}
}

// TestReplacedTokenIsForgotten: and what else is replaced or withdrawn. It is
// gone from the file and its WAL when that returns.
func TestReplacedTokenIsForgotten(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		column string
		do     func(*Store, id.User, id.Mailbox) error
	}{
		"a new token": {"refresh_token FROM grants", func(s *Store, u id.User, _ id.Mailbox) error {
			return s.PutGrant(t.Context(), u, account.Grant{RefreshToken: vault.NewSecret("newer")})
		}},
		"a withdrawn token": {"refresh_token FROM grants", func(s *Store, u id.User, _ id.Mailbox) error {
			return s.DropGrant(t.Context(), u)
		}},
		"the sessions of a withdrawn token": {"session FROM claims", func(s *Store, u id.User, _ id.Mailbox) error {
			return s.DropGrant(t.Context(), u)
		}},
		"a new address": {"email FROM person", func(s *Store, u id.User, _ id.Mailbox) error {
			_, err := s.SignIn(t.Context(), account.Person{Sub: "MARK-subject", Email: "newer"}, account.SignUp{Rule: "open"})
			return err
		}},
		"a new password": {"password FROM mailboxes WHERE password IS NOT NULL", func(s *Store, u id.User, box id.Mailbox) error {
			m, err := s.Mailbox(t.Context(), u, box)
			m.Password = vault.NewSecret("newer")
			return errors.Join(err, s.UpdateMailbox(t.Context(), u, m))
		}},
		"a consent for a password": {"password FROM mailboxes WHERE password IS NOT NULL", func(s *Store, u id.User, box id.Mailbox) error {
			m, err := s.Mailbox(t.Context(), u, box)
			m.Password, m.Consent = vault.Secret{}, account.Consent{Provider: "x", Refresh: vault.NewSecret("newer")}
			return errors.Join(err, s.UpdateMailbox(t.Context(), u, m))
		}},
		"a rotated token": {"refresh FROM consents", func(s *Store, u id.User, _ id.Mailbox) error {
			boxes, err := s.Mailboxes(t.Context(), u)
			kept, kerr := s.KeepConsent(t.Context(), u, boxes[1].ID, vault.NewSecret("MARK-refresh"), account.Consent{Provider: "x", Refresh: vault.NewSecret("newer")})
			if !kept {
				t.Error("it was not kept")
			}
			return errors.Join(err, kerr)
		}},
		"a password for a consent": {"refresh FROM consents", func(s *Store, u id.User, _ id.Mailbox) error {
			boxes, err := s.Mailboxes(t.Context(), u)
			m := boxes[1]
			m.Password, m.Consent = vault.NewSecret("newer"), account.Consent{}
			return errors.Join(err, s.UpdateMailbox(t.Context(), u, m))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openStore(t, t.TempDir(), Options{Exclusive: true})
			u, _, box := fillWithMarkers(t, s)
			addConsent(t, s, u)
			ok(t, s.inUser(t.Context(), u, func(db *userDB) error {
				old := blobs(t, db.database, "SELECT "+c.column)
				ok(t, c.do(s, u, box))
				if pages := plain(t, db.path, db.page); len(old) != 1 || len(old[0]) == 0 || bytes.Contains(pages, old[0]) {
					t.Errorf("what was in %s is still on a page (%d)", c.column, len(old))
				}
				return nil
			}))
		})
	}
}

// TestErrandForgetsItsToken: what is kept to tell Google is sealed, and gone
// when it was told.
func TestErrandForgetsItsToken(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u, _, _, _, _ := atWork(t, s)
	r, err := s.WipeUser(t.Context(), u)
	ok(t, err)
	sealed := blobs(t, s.system, "SELECT secret FROM errands")
	pages := plain(t, s.system.path, s.index.PageKey())
	if len(sealed) != 1 || !bytes.Contains(pages, sealed[0]) || bytes.Contains(pages, []byte("MARK-token")) {
		t.Fatal("want the token kept, and sealed")
	}
	ok(t, s.ErrandDone(t.Context(), r.ID, account.GoogleRevoke))
	if bytes.Contains(plain(t, s.system.path, s.index.PageKey()), sealed[0]) {
		t.Error("the token is still on a page after Google was told")
	}
}
