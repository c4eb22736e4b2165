package pop3_test

import (
	"context"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
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
			if err := srv.AddUser(ann, password); err != nil {
				t.Fatal(err)
			}
			if err := srv.Deliver(ann, "", mails(1)...); err != nil {
				t.Fatal(err)
			}
			_, good := provider.Grant(ann, tokend.ScopePOP)
			for _, way := range popWays(srv) {
				for name, tokens := range map[string][]string{
					"good": {good}, "ended before its time": {"ended", good}, "of somebody else": {"none", "none"},
				} {
					cfg := realConfig(t, srv, way, way.Addr(), ann, "")
					given := 0
					cfg.Token = func(context.Context, vault.Secret) (vault.Secret, error) {
						given++
						return vault.NewSecret(tokens[given-1]), nil
					}
					src, err := pop3.New(cfg).Open(t.Context())
					if tokens[len(tokens)-1] == "none" {
						wantFault(t, err, mail.Login, "token_refused")
						continue
					}
					if err != nil {
						t.Fatalf("%s, token %s: %v", way.Name, name, err)
					}
					if n := len(list(t, src)); n != 1 || given != len(tokens) {
						t.Errorf("%s, token %s: %d messages listed after %d tokens, want 1 after %d", way.Name, name, n, given, len(tokens))
					}
					if err := src.Close(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}
