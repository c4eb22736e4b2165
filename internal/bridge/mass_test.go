package bridge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// TestAMassChangeIsAskedAbout: much is gone and as much has come. What moved, a
// mailbox that was tidied up, and one to which much has come are nothing odd.
func TestAMassChangeIsAskedAbout(t *testing.T) {
	rewritten := func(raw string) string { return strings.Replace(raw, "Subject: ", "Subject: [list] ", 1) }
	for name, c := range map[string]struct {
		change func(w *world)
		asks   bool
	}{
		"every header was rewritten": {func(w *world) {
			for i, m := range w.drop.mails {
				m.uid, m.raw = m.uid+1000, rewritten(message(i, 100))
			}
		}, true},
		"a quarter is another": {func(w *world) {
			for i, m := range w.drop.mails[:110] {
				m.uid, m.raw = m.uid+1000, rewritten(message(i, 100))
			}
		}, true},
		"a tenth is another": {func(w *world) {
			for i, m := range w.drop.mails[:40] {
				m.uid, m.raw = m.uid+1000, rewritten(message(i, 100))
			}
		}, false},
		"a move": {func(w *world) {
			for _, m := range w.drop.mails {
				m.uid += 1000
			}
		}, false},
		"most was removed": {func(w *world) { w.drop.mails = w.drop.mails[:20] }, false},
		"much has come": {func(w *world) {
			for i := range 400 {
				w.drop.add(message(1000+i, 100))
			}
		}, false},
	} {
		for _, k := range []kind{pop3, imap} {
			t.Run(fmt.Sprint(k, "/", name), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld(t, k)
					for i := range 400 {
						w.drop.add(message(i, 100))
					}
					w.sync(Leave)
					copies := len(w.gmail.copies)
					c.change(w)
					rep, err := w.live(t.Context(), &life{}, Leave)
					f, _ := mail.AsFault(err)
					if asks := f != nil && f.Code == "mass_change"; asks != c.asks || !asks && err != nil {
						t.Fatalf("%+v, %v", rep, err)
					}
					if !c.asks {
						return
					}
					if rep.Imported != 0 || len(w.gmail.copies) != copies || f.Help == "" {
						t.Errorf("%d were imported before anybody was asked", rep.Imported)
					}
					if rep := w.sync(Leave, func(p *Pass) { p.Accepted = true }); rep.Imported < 110 {
						t.Errorf("accepted: %+v", rep)
					}
					if rep := w.sync(Leave); rep.Imported != 0 {
						t.Errorf("afterwards: %+v", rep)
					}
				})
			})
		}
	}
}
