package bridge

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// sync runs one pass that must succeed.
func (w *world) sync(policy Disposal, mutate ...func(*Pass)) Report {
	w.t.Helper()
	l := &life{}
	if len(mutate) > 0 {
		l.mutate = mutate[0]
	}
	rep, err := w.live(w.t.Context(), l, policy)
	if err != nil {
		w.t.Fatalf("sync: %v", err)
	}
	return rep
}

func (w *world) want(got, want Report) {
	w.t.Helper()
	if got = counts(got); got != want {
		w.t.Errorf("report: got %+v, want %+v", got, want)
	}
}

// counts gives the part of a report that says what became of the messages.
func counts(r Report) Report {
	return Report{
		Listed: r.Listed, Imported: r.Imported, Already: r.Already, Skipped: r.Skipped,
		Refused: r.Refused, Doubtful: r.Doubtful, Failed: r.Failed, Unchanged: r.Unchanged,
	}
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, f)
}

func TestASecondPassImportsNothing(t *testing.T) {
	for _, k := range []kind{pop3, nameless, imap} {
		t.Run(k.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, k, load(false)...)
				w.want(w.sync(Leave), Report{Listed: 5, Imported: 5})
				w.want(w.sync(Leave), Report{Listed: 5, Already: 5})
				w.drop.add(message(9, 100))
				w.want(w.sync(Leave), Report{Listed: 6, Already: 5, Imported: 1})
				if err := w.verify(Leave); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestTwoEqualMailsAreTwoMessages(t *testing.T) {
	for _, k := range []kind{pop3, nameless, imap} {
		t.Run(k.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, k, message(1, 100), message(1, 100), message(2, 100))
				w.want(w.sync(Leave), Report{Listed: 3, Imported: 3})
				w.want(w.sync(Leave), Report{Listed: 3, Already: 3})
				w.drop.add(message(1, 100))
				w.want(w.sync(Leave), Report{Listed: 4, Already: 3, Imported: 1})
			})
		})
	}
}

func TestAnEqualMailThatComesAfterTheFirstWasDeletedIsImported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 100))
		w.want(w.sync(Delete), Report{Listed: 1, Imported: 1})
		w.drop.add(message(1, 100))
		w.want(w.sync(Delete), Report{Listed: 1, Imported: 1})
	})
}

func TestAChangedUIDVALIDITYImportsNothingAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, imap, append(load(false), message(1, 300))...)
		w.want(w.sync(Leave), Report{Listed: 6, Imported: 6})
		w.drop.validity++
		w.drop.add(message(50, 100))
		w.want(w.sync(Leave), Report{Listed: 7, Already: 6, Imported: 1})
		w.want(w.sync(Leave), Report{Listed: 7, Already: 7})
	})
}

func TestAChangedUIDVALIDITYWithPolicyDeleteStillDeletes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, imap, load(false)...)
		w.sync(Leave)
		w.drop.validity++
		w.want(w.sync(Delete), Report{Listed: 5, Already: 5})
		if err := w.verify(Delete); err != nil {
			t.Error(err)
		}
	})
}

func TestRenumberedUIDLsImportNothingAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		w.sync(Leave)
		for _, m := range w.drop.mails { // the provider moved house
			m.uid += 1000
		}
		w.drop.uid += 1000
		w.want(w.sync(Leave), Report{Listed: 5, Already: 5})
		w.want(w.sync(Leave), Report{Listed: 5, Already: 5})
	})
}

// TestAReusedUIDLIsAnotherMessage: the id was absent from a complete listing
// and names another mail when it is back.
func TestAReusedUIDLIsAnotherMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 100))
		w.sync(Leave)
		gone := w.drop.mails
		w.drop.mails = nil
		w.want(w.sync(Leave), Report{})
		w.drop.mails = []*fakeMail{{uid: gone[0].uid, raw: message(2, 100)}}
		w.drop.ever[message(2, 100)]++
		w.want(w.sync(Leave), Report{Listed: 1, Imported: 1})
		w.want(w.sync(Leave), Report{Listed: 1, Already: 1})
		w.drop.mails = gone // and the first one is back
		w.sync(Leave)
		if n := w.gmail.copies[message(1, 100)]; n != 1 {
			t.Errorf("the first message is in Gmail %d times", n)
		}
	})
}

// TestTheSourceIsRecheckedBeforeItIsTouched: between the settle and the delete
// the process dies, another client removes the mail, and the host gives its
// id to a new one. Deleting by id would lose it.
func TestTheSourceIsRecheckedBeforeItIsTouched(t *testing.T) {
	for _, k := range []kind{pop3, imap} {
		t.Run(k.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, k, message(1, 100))
				_, _ = w.live(t.Context(), &life{die: func(s Step, wh When) bool { return s == StepDispose && wh == Before }}, Delete)
				w.drop.mails[0].raw = message(2, 100)
				w.drop.ever[message(2, 100)]++
				w.sync(Delete)
				if err := w.verify(Delete); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestAResumedUploadIsTheSameMessage: after a crash in the middle of a long
// upload the body at the source is another one under the same header. The
// sealed checkpoint tells, and the message becomes doubtful.
func TestAResumedUploadIsTheSameMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, imap, message(6, 20<<20))
		sealed := false
		l := &life{die: func(s Step, wh When) bool {
			sealed = sealed || s == StepCheckpoint && wh == After
			return s == StepBody && wh == After
		}}
		_, _ = w.live(t.Context(), l, Leave)
		if !sealed || len(w.gmail.sessions["session-0"].stored) < sealEvery {
			t.Fatal("the test needs a checkpoint and as much at Gmail")
		}
		m := w.drop.mails[0]
		m.raw = m.raw[:5000] + "X" + m.raw[5001:]
		rep, err := w.live(t.Context(), &life{}, Leave)
		if err != nil || rep.Doubtful != 1 || len(w.gmail.copies) != 0 {
			t.Errorf("got %+v, %v, %d copies; want one doubtful", rep, err, len(w.gmail.copies))
		}
	})
}

// refusing answers the first Put of a message with a fault of its choice.
type refusing struct {
	Importer
	put  func(octets []byte) error
	open func() error
}

func (g refusing) Open(ctx context.Context, u mail.Upload) (vault.Secret, error) {
	if g.open != nil {
		if err := g.open(); err != nil {
			return vault.Secret{}, err
		}
	}
	return g.Importer.Open(ctx, u)
}

func (g refusing) Put(ctx context.Context, s vault.Secret, c mail.Chunk) (mail.Answer, error) {
	var b bytes.Buffer
	_, _ = b.ReadFrom(struct{ readOnly }{readOnly{c}})
	if g.put != nil {
		if err := g.put(b.Bytes()); err != nil {
			return mail.Answer{}, err
		}
	}
	c.Body = &b
	return g.Importer.Put(ctx, s, c)
}

type readOnly struct{ c mail.Chunk }

func (r readOnly) Read(p []byte) (int, error) { return r.c.Body.Read(p) }

func TestARefusedMessageIsRecordedAndBlocksNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		refuse := func(p *Pass) {
			p.Gmail = refusing{Importer: p.Gmail, put: func(b []byte) error {
				if bytes.Contains(b, []byte("Subject: 2\r")) {
					return &mail.Fault{Class: mail.Refused, Code: "gmail_attachment", Text: "refused"}
				}
				return nil
			}}
		}
		w.want(w.sync(Delete, refuse), Report{Listed: 5, Imported: 4, Refused: 1})
		w.want(w.sync(Delete, refuse), Report{Listed: 1, Refused: 1})
		if len(w.drop.mails) != 1 || subject(w.drop.mails[0].raw) != "2" {
			t.Error("a refused message must stay at the source")
		}
		if l := w.memory.Lines(w.box); len(l) != 5 || !has(l, mail.Rejected, "gmail_attachment") {
			t.Errorf("audit: %+v", l)
		}
	})
}

// refunded is a budget without a limit that remembers what came back.
type refunded struct {
	noBudget
	messages, octets *int64
}

func (c refunded) Refund(_ context.Context, messages int, octets int64) {
	*c.messages += int64(messages)
	*c.octets += octets
}

// Else a mailbox full of mail that Gmail refuses would be free, and would take
// from all others what the project may use.
func TestWhatGmailWasAskedForIsNotGivenBack(t *testing.T) {
	refused := &mail.Fault{Class: mail.Refused, Code: "gmail_attachment", Text: "refused"}
	for name, row := range map[string]struct {
		change func(*Pass)
		want   bool // something is given back
	}{
		"imported": {func(*Pass) {}, false},
		"skipped":  {func(p *Pass) { p.Filter = skipSubject("2") }, true},
		"refused": {func(p *Pass) {
			p.Gmail = refusing{Importer: p.Gmail, put: func([]byte) error { return refused }}
		}, false},
		"refused at once": {func(p *Pass) {
			p.Gmail = refusing{Importer: p.Gmail, open: func() error { return refused }}
		}, false},
		"told to wait": {func(p *Pass) {
			again := false
			p.Gmail = refusing{Importer: p.Gmail, open: func() error {
				if again {
					return nil
				}
				again = true
				return &mail.Fault{Class: mail.RateLimited, Scope: "user", Code: "gmail_rate", Text: "too much", Until: time.Now().Add(time.Second)}
			}}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				mails := load(false)
				if name == "told to wait" { // the others would be put back with it
					mails = mails[:1]
				}
				w := newWorld(t, pop3, mails...)
				var messages, octets int64
				w.sync(Leave, func(p *Pass) {
					row.change(p)
					p.Budget = refunded{messages: &messages, octets: &octets}
				})
				if messages > 0 != row.want {
					t.Errorf("%d messages (%d octets) given back, want any: %v", messages, octets, row.want)
				}
			})
		})
	}
}

func has(lines []ledger.Line, s mail.Status, reason string) bool {
	for _, l := range lines {
		if l.Status == s && l.Reason == reason {
			return true
		}
	}
	return false
}

func TestAMessageTheSourceCannotGiveIsSetAsideAfterThreePasses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		w.drop.cut = func(ref mail.Ref) (int, bool) { return 100, ref.Number == 2 }
		for pass, want := range []Report{
			{Listed: 5, Imported: 4, Failed: 1},
			{Listed: 5, Already: 4, Failed: 1},
			{Listed: 5, Already: 4, Refused: 1},
			{Listed: 5, Already: 4, Refused: 1}, // and it is said again
		} {
			rep, _ := w.live(t.Context(), &life{}, Leave)
			if rep = counts(rep); rep != want {
				t.Errorf("pass %d: got %+v, want %+v", pass, rep, want)
			}
		}
	})
}

func TestATimeNamedByGmailEndsThePass(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		until := time.Now().Add(3 * time.Hour)
		l := &life{mutate: func(p *Pass) {
			p.Gmail = refusing{Importer: p.Gmail, open: func() error {
				return &mail.Fault{Class: mail.RateLimited, Code: "gmail_rate", Text: "User-rate limit exceeded", Until: until}
			}}
		}}
		rep, err := w.live(t.Context(), l, Leave)
		f, ok := mail.AsFault(err)
		if !ok || !f.Until.Equal(until) || rep.Failed != 5 {
			t.Errorf("got %+v, %v", rep, err)
		}
		settleDown(t, w, Leave)
		if err := w.verify(Leave); err != nil {
			t.Error(err)
		}
	})
}

func TestAShortRefusalIsWaitedOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		n := 0
		w.want(w.sync(Delete, func(p *Pass) {
			p.Gmail = refusing{Importer: p.Gmail, put: func([]byte) error {
				if n++; n == 3 {
					return &mail.Fault{Class: mail.RateLimited, Scope: "concurrent", Code: "gmail_rate", Text: "Too many concurrent requests for user", Until: time.Now().Add(20 * time.Second)}
				}
				return nil
			}}
		}), Report{Listed: 5, Imported: 5})
		if err := w.verify(Delete); err != nil {
			t.Error(err)
		}
	})
}

// stingy grants two messages at a time and then wants a pause.
type stingy struct {
	noBudget
	granted int
	until   time.Duration
}

func (b *stingy) Reserve(_ context.Context, sizes []int64) (int, error) {
	if b.granted++; b.granted%2 == 0 {
		return 0, &mail.Fault{Class: mail.RateLimited, Code: "out_of_budget", Text: "budget used up", Until: time.Now().Add(b.until)}
	}
	return min(2, len(sizes)), nil
}

func TestShortBudgetIsWaitedForWithoutTheMaildropsLock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		w.want(w.sync(Delete, func(p *Pass) { p.Budget = &stingy{until: 30 * time.Second} }), Report{Listed: 5, Imported: 5})
		if err := w.verify(Delete); err != nil {
			t.Error(err)
		}
	})
}

func TestLongBudgetEndsThePass(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		rep, err := w.live(t.Context(), &life{mutate: func(p *Pass) { p.Budget = &stingy{until: 5 * time.Hour} }}, Leave)
		if f, ok := mail.AsFault(err); !ok || f.Code != "out_of_budget" {
			t.Errorf("got %v, want out_of_budget", err)
		}
		w.want(rep, Report{Listed: 5, Imported: 2, Failed: 3})
	})
}

func TestMessagesBeforeSinceAreNotLookedAt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old := strings.Replace(message(2, 100), "2 Jan 2006", "2 Jan 1999", 1)
		w := newWorld(t, pop3, message(1, 100), old)
		since := func(p *Pass) { p.Since = time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC) }
		w.want(w.sync(Leave, since), Report{Listed: 1, Imported: 1})
		w.want(w.sync(Leave), Report{Listed: 2, Imported: 1, Already: 1})
	})
}

func TestARevokedGrantStopsThePassAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		calls := 0
		l := &life{mutate: func(p *Pass) {
			p.Parallel = 1
			p.Gmail = refusing{Importer: p.Gmail, open: func() error {
				calls++
				return &mail.Fault{Class: mail.Revoked, Code: "grant_revoked", Text: "revoked"}
			}}
		}}
		_, err := w.live(t.Context(), l, Leave)
		if f, ok := mail.AsFault(err); !ok || f.Class != mail.Revoked {
			t.Errorf("got %v", err)
		}
	})
}

func TestAClaimWhoseMessageIsGoneIsShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 300), message(2, 300))
		_, _ = w.live(t.Context(), &life{die: func(s Step, wh When) bool { return s == StepClaim && wh == After }}, Leave)
		w.drop.mails = w.drop.mails[:0]
		w.sync(Leave)
		if l := w.memory.Lines(w.box); len(l) == 0 || !has(l, mail.Doubtful, "source_gone") {
			t.Errorf("audit: %+v, want doubtful source_gone", l)
		}
	})
}

func TestAFencedProcessStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, load(false)...)
		taken := false
		l := &life{die: func(s Step, wh When) bool {
			if s == StepClaim && wh == Before && !taken {
				taken = true
				w.memory.Take()
			}
			return false
		}}
		_, err := w.live(t.Context(), l, Leave)
		if !errors.Is(err, ledger.ErrFenced) {
			t.Errorf("got %v, want ErrFenced", err)
		}
		if n := len(w.memory.Lines(w.box)); n != 0 {
			t.Errorf("%d lines were written by a fenced process", n)
		}
	})
}

// labelling has one label, which the user deletes behind our back.
type labelling struct {
	Importer
	id   *string
	want *[]string
}

func (g labelling) Label(context.Context, string) (string, error) { return *g.id, nil }

func (g labelling) Open(ctx context.Context, u mail.Upload) (vault.Secret, error) {
	*g.want = u.LabelIDs
	if slices.Contains(u.LabelIDs, "Label_1") {
		*g.id = "Label_2" // created again under this id
		return vault.Secret{}, &mail.Fault{Class: mail.Refused, Code: "gmail_label_missing", Text: "label gone"}
	}
	return g.Importer.Open(ctx, u)
}

func TestALabelThatTheUserDeletedIsLookedUpAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, pop3, message(1, 100))
		id, used := "Label_1", []string(nil)
		w.want(w.sync(Leave, func(p *Pass) {
			p.Labels, p.Archive = []string{"Old"}, true
			p.Gmail = labelling{p.Gmail, &id, &used}
		}), Report{Listed: 1, Imported: 1})
		if got, want := strings.Join(used, " "), "UNREAD Label_2"; got != want {
			t.Errorf("labels %q, want %q", got, want)
		}
	})
}

// naming makes an id of each name, and notes the ids of the upload.
type naming struct {
	Importer
	used *[]string
}

func (g naming) Label(_ context.Context, name string) (string, error) {
	return "Label_" + strings.ToLower(name), nil
}

func (g naming) Open(ctx context.Context, u mail.Upload) (vault.Secret, error) {
	*g.used = u.LabelIDs
	return g.Importer.Open(ctx, u)
}

// TestAMessageGetsTheLabelsOfItsMailboxAndItsFolder, each once.
func TestAMessageGetsTheLabelsOfItsMailboxAndItsFolder(t *testing.T) {
	for name, c := range map[string]struct {
		folders map[string]Arrival
		want    string
	}{
		"none of a folder":           {nil, "INBOX UNREAD Label_all"},
		"one of its folder":          {map[string]Arrival{"INBOX": {Label: "In"}, "Sent": {Label: "Out"}}, "INBOX UNREAD Label_all Label_in"},
		"one of another folder":      {map[string]Arrival{"Sent": {Label: "Out", Archive: true}}, "INBOX UNREAD Label_all"},
		"the same, in other letters": {map[string]Arrival{"INBOX": {Label: "ALL"}}, "INBOX UNREAD Label_all"},
		"not into the inbox":         {map[string]Arrival{"INBOX": {Archive: true}}, "UNREAD Label_all"},
		"spam":                       {map[string]Arrival{"INBOX": {Spam: true}}, "SPAM UNREAD Label_all"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, used := newWorld(t, imap, message(1, 100)), []string(nil)
				w.want(w.sync(Leave, func(p *Pass) {
					p.Labels, p.Arrivals = []string{"All"}, c.folders
					p.Gmail = naming{p.Gmail, &used}
				}), Report{Listed: 1, Imported: 1})
				if got, want := strings.Join(used, " "), c.want; got != want {
					t.Errorf("labels %q, want %q", got, want)
				}
			})
		})
	}
}

// TestFlagsOfTheSourceArrive: what is read there is read, what is flagged starred.
func TestFlagsOfTheSourceArrive(t *testing.T) {
	for name, c := range map[string]struct {
		mail fakeMail
		want string
	}{
		"none":    {fakeMail{}, "INBOX UNREAD"},
		"seen":    {fakeMail{seen: true}, "INBOX"},
		"flagged": {fakeMail{starred: true}, "INBOX UNREAD STARRED"},
		"both":    {fakeMail{seen: true, starred: true}, "INBOX STARRED"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w, used := newWorld(t, imap, message(1, 100)), []string(nil)
				w.drop.mails[0].seen, w.drop.mails[0].starred = c.mail.seen, c.mail.starred
				w.sync(Leave, func(p *Pass) { p.Gmail = naming{p.Gmail, &used} })
				if got := strings.Join(used, " "); got != c.want {
					t.Errorf("labels %q, want %q", got, c.want)
				}
			})
		})
	}
}
