package notify

import (
	"context"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// farewells are the pauses between the tries of a letter whose address is
// destroyed: it is in memory only, and not for long.
var farewells = []time.Duration{0, 5 * time.Second, 30 * time.Second, 2 * time.Minute}

// Farewell tells a user that his access to Google has ended, or that his account
// is deleted, after what was known of him is destroyed: the caller has read the
// address before that. It returns at once. What cannot be delivered within
// minutes, or before the process ends, is not told; the pages say it.
func (f *Office) Farewell(user id.User, email string, kind Kind, receipt string) {
	n := Notice{ID: id.New[ID](), Kind: kind, About: receipt, Made: time.Now(), Due: time.Now()}
	l, _, err := render(n, view{site: f.o.Site, zone: time.UTC})
	if err != nil {
		f.o.Log.Error("a farewell could not be written", "user", user, "err", err)
		return
	}
	l.User, l.To = user, email
	for _, way := range f.o.Notifiers {
		if way.Mails() && email == "" {
			continue
		}
		f.leaving.Go(func() { f.farewell(way, l) })
	}
}

func (f *Office) farewell(way Notifier, l Letter) {
	var err error
	for _, pause := range farewells {
		select {
		case <-f.base.Done():
			return
		case <-time.After(pause):
		}
		ctx, cancel := context.WithTimeout(f.base, sendTime)
		err = way.Send(ctx, l)
		cancel()
		if fault, ok := mail.AsFault(err); err == nil || ok && fault.Class == mail.Refused {
			return
		}
	}
	f.o.Log.Warn("a farewell could not be delivered", "user", l.User, "code", string(l.Kind), "status", way.Name(), "err", err)
}
