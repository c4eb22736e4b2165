package sessiontest

import (
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var tokenRules = []rule{
	{"TokenIsFoundByItsText", "a program with the text may do what the scopes say, also after a restart; no other text is a token", func(t *testing.T, w World) {
		u := w.User(t)
		token, text := issue(t, w, u, session.NewToken{Name: "backup", Scopes: session.AuditRead | session.MailboxesRead, Life: time.Hour})
		if !session.IsToken(text) {
			t.Error("the text has not the form of a token")
		}
		w.Reopen(t)
		got, err := w.Store(t).FindToken(t.Context(), text)
		ok(t, err)
		if got.ID != token.ID || got.User != u || got.Scopes != session.AuditRead|session.MailboxesRead || !got.Expires.Equal(token.Created.Add(time.Hour)) {
			t.Errorf("token = %+v, want %+v", got, token)
		}
		for _, wrong := range []vault.Secret{{}, vault.NewSecret("smtps_"), session.NewTokenText(), vault.NewSecret(text.RevealString() + "0"), vault.NewSecret(token.ID.String())} {
			if works(t, w, wrong) {
				t.Error("another text is a token")
			}
		}
	}},
	{"TokensAreListedForTheirUser", "one sees what one has given away, the newest first, and nobody else's", func(t *testing.T, w World) {
		u, v := w.User(t), w.User(t)
		first, _ := issue(t, w, u, session.NewToken{Name: "first", Scopes: session.RulesWrite})
		time.Sleep(time.Second)
		second, _ := issue(t, w, u, session.NewToken{Name: "second", Scopes: session.AccountWrite, Life: time.Hour})
		issue(t, w, v, session.NewToken{Name: "theirs", Scopes: session.AuditRead})
		all, err := w.Store(t).Tokens(t.Context(), u)
		ok(t, err)
		if len(all) != 2 || all[0].ID != second.ID || all[1].ID != first.ID {
			t.Fatalf("tokens = %+v, want the second, then the first", all)
		}
		if all[0].Name != "second" || all[0].Scopes != session.AccountWrite || !all[0].LastUsed.IsZero() ||
			!all[0].Expires.Equal(second.Expires) || !all[1].Expires.Equal(first.Created.Add(session.TokenLife)) {
			t.Errorf("tokens = %+v", all)
		}
		time.Sleep(time.Hour)
		if all, err = w.Store(t).Tokens(t.Context(), u); err != nil || len(all) != 1 {
			t.Errorf("tokens = %d (%v) after one has expired, want 1", len(all), err)
		}
	}},
	{"TokenExpires", "a token that leaked and was forgotten ends some day", func(t *testing.T, w World) {
		_, text := issue(t, w, w.User(t), session.NewToken{Scopes: session.AuditRead, Life: time.Hour})
		time.Sleep(time.Hour - time.Second)
		if !works(t, w, text) {
			t.Error("it has ended too early")
		}
		time.Sleep(time.Second)
		if works(t, w, text) {
			t.Error("it has outlived its time")
		}
	}},
	{"TokenIsRevokedByItsUser", "a revoked token is refused at once; nobody else can revoke it", func(t *testing.T, w World) {
		u, v := w.User(t), w.User(t)
		token, text := issue(t, w, u, session.NewToken{Scopes: session.AuditRead})
		_, other := issue(t, w, u, session.NewToken{Scopes: session.AuditRead})
		wantErr(t, "somebody else's", w.Store(t).RevokeToken(t.Context(), v, token.ID), session.ErrNone)
		if !works(t, w, text) {
			t.Fatal("somebody else has revoked the token")
		}
		ok(t, w.Store(t).RevokeToken(t.Context(), u, token.ID))
		wantErr(t, "twice", w.Store(t).RevokeToken(t.Context(), u, token.ID), session.ErrNone)
		w.Reopen(t)
		if works(t, w, text) || !works(t, w, other) {
			t.Error("want the one token revoked and no other")
		}
	}},
	{"LastUseIsCoarse", "a request writes at most once in ten minutes when its token was used", func(t *testing.T, w World) {
		u := w.User(t)
		token, text := issue(t, w, u, session.NewToken{Scopes: session.AuditRead})
		used := func() time.Duration {
			works(t, w, text)
			all, err := w.Store(t).Tokens(t.Context(), u)
			ok(t, err)
			return all[0].LastUsed.Sub(token.Created)
		}
		time.Sleep(time.Minute)
		if got := used(); got != time.Minute {
			t.Errorf("first used after %v, want a minute", got)
		}
		time.Sleep(session.Coarse - time.Second)
		if got := used(); got != time.Minute {
			t.Errorf("used after %v, want a minute still", got)
		}
		time.Sleep(time.Second)
		if got := used(); got != session.Coarse+time.Minute {
			t.Errorf("used after %v, want eleven minutes", got)
		}
	}},
	{"UselessTokenIsRefused", "a token has a scope, ends within a year, and nobody has hundreds", func(t *testing.T, w World) {
		u, s := w.User(t), w.Store(t)
		for _, n := range []session.NewToken{{}, {Scopes: 1 << 5}, {Scopes: session.AuditRead | 1<<7}} {
			_, _, err := s.IssueToken(t.Context(), u, n)
			wantFault(t, "scopes", err, "unknown_scope")
		}
		for _, life := range []time.Duration{-time.Hour, time.Second, session.MaxTokenLife + 1} {
			_, _, err := s.IssueToken(t.Context(), u, session.NewToken{Scopes: session.AuditRead, Life: life})
			wantFault(t, life.String(), err, "token_life")
		}
		for range session.MaxTokens {
			issue(t, w, u, session.NewToken{Scopes: session.AuditRead, Life: time.Hour})
		}
		_, _, err := s.IssueToken(t.Context(), u, session.NewToken{Scopes: session.AuditRead})
		wantFault(t, "one too many", err, "too_many_tokens")
		issue(t, w, w.User(t), session.NewToken{Scopes: session.AuditRead})
		time.Sleep(time.Hour)
		issue(t, w, u, session.NewToken{Scopes: session.AuditRead})
	}},
}
