package notify

import (
	"context"
	"log/slog"
)

// Log tells the operator's log that there was something to tell, of whom and of
// what kind. It is what an installation has that sends no mail.
type Log struct{ Log *slog.Logger }

// Name implements Notifier.
func (Log) Name() string { return "log" }

// Mails implements Notifier.
func (Log) Mails() bool { return false }

// Send implements Notifier.
func (n Log) Send(_ context.Context, l Letter) error {
	if len(l.Boxes) == 0 {
		n.Log.Info("notice", "user", l.User, "status", string(l.Kind))
	}
	for _, b := range l.Boxes {
		n.Log.Info("notice", "user", l.User, "mailbox", b.ID, "status", string(l.Kind), "code", b.Code)
	}
	return nil
}
