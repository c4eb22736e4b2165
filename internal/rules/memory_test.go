package rules_test

import (
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/internal/rules/rulestest"
)

type memory struct{ rules.Memory }

func (m *memory) Store() rulestest.Store                 { return &m.Memory }
func (m *memory) User(*testing.T) id.User                { return id.New[id.User]() }
func (m *memory) Mailbox(*testing.T, id.User) id.Mailbox { return id.New[id.Mailbox]() }

func TestMemory(t *testing.T) {
	t.Parallel()
	rulestest.Run(t, func(*testing.T) rulestest.World { return &memory{} })
}

func TestADigestHasOneText(t *testing.T) {
	t.Parallel()
	d := rules.Sum([]byte("x"))
	if got, ok := rules.ParseDigest(d.String()); !ok || got != d {
		t.Errorf("%s is not read", d)
	}
	for _, s := range []string{"", "skip-domains", d.String()[1:], d.String() + "00", "A" + d.String()[1:], "Z" + d.String()[1:]} {
		if _, ok := rules.ParseDigest(s); ok {
			t.Errorf("%s is read", s)
		}
	}
}
