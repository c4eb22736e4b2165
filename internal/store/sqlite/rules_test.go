package sqlite

import (
	"errors"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/internal/rules/rulestest"
)

// ruleWorld is a store as the suite of rules sees it.
type ruleWorld struct{ s *Store }

func (w ruleWorld) Store() rulestest.Store    { return w.s }
func (w ruleWorld) User(t *testing.T) id.User { return newUser(t, w.s, id.New[id.User]().String()) }
func (w ruleWorld) Mailbox(t *testing.T, u id.User) id.Mailbox {
	return newMailbox(t, w.s, u, id.New[id.Mailbox]().String())
}

func TestRules(t *testing.T) {
	t.Parallel()
	rulestest.Run(t, func(t *testing.T) rulestest.World { return ruleWorld{openStore(t, t.TempDir(), Options{})} })
}

func TestARuleIsNeverForAMailboxThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := openStore(t, t.TempDir(), Options{Exclusive: true})
	u, other := newUser(t, s, "somebody"), newUser(t, s, "another")
	box, foreign := newMailbox(t, s, u, "mine"), newMailbox(t, s, other, "another's")
	r := rules.Rule{Name: "n", Plugin: "p", Config: []byte(`{}`), Enabled: true, Mailboxes: []id.Mailbox{foreign}}
	if _, err := s.PutRule(t.Context(), u, r, 0); !errors.Is(err, account.ErrNone) {
		t.Errorf("for another's mailbox: %v", err)
	}
	if all, _ := s.Rules(t.Context(), u); len(all) > 0 {
		t.Errorf("half of it was kept: %+v", all)
	}
	r.Mailboxes = []id.Mailbox{box}
	_, err := s.PutRule(t.Context(), u, r, 0)
	ok(t, err)
	receipt, err := s.WipeMailbox(t.Context(), u, box)
	ok(t, err)
	if receipt.Rows["rule_mailboxes"] != 1 {
		t.Errorf("the receipt: %v", receipt.Rows)
	}
	all, err := s.Rules(t.Context(), u)
	ok(t, err)
	if len(all) != 1 || all[0].Everywhere || len(all[0].Mailboxes) > 0 || all[0].For(box) {
		t.Errorf("after its only mailbox was wiped: %+v", all)
	}
}
