package jobs

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/oauth/risc"
)

// Inbox takes Google's events into the store (risc.Inbox).
type Inbox struct{ Store Store }

// Take implements risc.Inbox.
func (b Inbox) Take(ctx context.Context, jti string, events []risc.Event) (first bool, err error) {
	var signals []account.Signal
	for _, e := range events {
		if risc.React(e) != (risc.Reaction{}) {
			signals = append(signals, account.Signal{Kind: string(e.Kind), Reason: e.Reason, At: e.At, Sub: e.Sub, Token: e.Token})
		}
	}
	return b.Store.TakeSignals(ctx, jti, time.Now().Add(risc.Remember), signals)
}
