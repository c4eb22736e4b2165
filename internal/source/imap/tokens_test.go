package imap_test

import (
	"context"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
	"github.com/smtp-sync/smtp-sync/internal/testkit/tokend"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// A real server asks a provider about the token that it is given.
func TestDovecotTakesAccessTokens(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []string{"xoauth2", "oauthbearer"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			provider := tokend.Start(t, tokend.Options{})
			srv := dovecot.StartTokens(t, dovecot.Tokens{Mechanisms: mechanism, Info: provider.URL + "/tokeninfo?access_token="})
			const ann = "ann=x,y@home.example" // what OAUTHBEARER has to escape
			for _, name := range []string{ann, "bob"} {
				if err := srv.AddUser(name, password); err != nil {
					t.Fatal(err)
				}
			}
			if err := srv.Deliver(ann, "", testkit.Message(1)); err != nil {
				t.Fatal(err)
			}
			_, good := provider.Grant(ann, tokend.ScopeIMAP)
			_, other := provider.Grant("bob", tokend.ScopeIMAP)
			for _, way := range srv.Ways() {
				if way.Protocol != "imap" {
					continue
				}
				cfg := realConfig(t, srv, way.Addr(), ann, "", way.StartTLS)
				cfg.Token = given(vault.NewSecret(good))
				if n := len(list(t, open(t, cfg))); n != 1 {
					t.Errorf("%s: %d messages listed, want 1", way.Name, n)
				}
				for _, bad := range []string{other, "no such token"} {
					cfg.Token = given(vault.NewSecret(bad))
					_, err := imap.New(cfg).Open(t.Context())
					if f := fault(t, err); f.Class != mail.Login || f.Code != "token_refused" {
						t.Errorf("%s: class %v, code %q (%v); want Login, token_refused", way.Name, f.Class, f.Code, f)
					}
				}
				// One that ended before its time, and then another.
				tokens := []vault.Secret{vault.NewSecret("ended"), vault.NewSecret(good)}
				cfg.Token = func(context.Context, vault.Secret) (vault.Secret, error) {
					next := tokens[0]
					tokens = tokens[1:]
					return next, nil
				}
				open(t, cfg)
			}
		})
	}
}

// A server that takes no tokens is told so: nothing of one is sent.
func TestATokenIsSentToNobodyWhoDoesNotTakeOne(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Caps: "IMAP4rev1 SASL-IR AUTH=PLAIN"}
	cfg := config(t, script(t, s), imap.TLS)
	cfg.Password, cfg.Token = vault.Secret{}, given(vault.NewSecret("CANARY"))
	_, err := imap.New(cfg).Open(t.Context())
	if f := fault(t, err); f.Class != mail.Setup || f.Code != "oauth_not_offered" {
		t.Errorf("class %v, code %q; want Setup, oauth_not_offered", f.Class, f.Code)
	}
	if s.Saw("AUTHENTICATE") || s.Saw("LOGIN") {
		t.Errorf("something was sent: %q", s.Log())
	}
}
