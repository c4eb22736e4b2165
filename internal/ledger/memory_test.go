package ledger_test

import (
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/ledger/ledgertest"
)

var _ bridge.Ledger = (*ledger.MemoryBox)(nil)

func TestMemoryKeepsTheRulesOfTheLedger(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(*testing.T) ledgertest.World { return &world{m: ledger.NewMemory()} })
}

// world lets the suite drive a Memory. A restart is a take-over: what Memory
// holds is what was durable.
type world struct{ m *ledger.Memory }

func (w *world) Mailbox(*testing.T) id.Mailbox { return id.New[id.Mailbox]() }

func (w *world) Take(*testing.T) func(id.Mailbox) bridge.Ledger {
	owner := w.m.Take()
	return func(box id.Mailbox) bridge.Ledger { return owner.Mailbox(box) }
}

func (w *world) Reopen(*testing.T) { w.m.Take() }

func (w *world) Audit(_ *testing.T, box id.Mailbox) []ledger.Line { return w.m.Lines(box) }
