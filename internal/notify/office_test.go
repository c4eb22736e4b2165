package notify_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	netmail "net/mail"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/notify"
	"github.com/smtp-sync/smtp-sync/internal/notify/mailjet"
	"github.com/smtp-sync/smtp-sync/internal/notify/mailjet/mailjettest"
	"github.com/smtp-sync/smtp-sync/internal/notify/smtp"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite"
	"github.com/smtp-sync/smtp-sync/internal/testkit/exim"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

var _ notify.Store = (*sqlite.Store)(nil)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a user with mailboxes in a real store, and an office.
type world struct {
	t      *testing.T
	store  *sqlite.Store
	office *notify.Office
	user   id.User
	log    bytes.Buffer
	boxes  map[string]account.Mailbox
	wiped  int
}

// newWorld is called in a bubble. What it opens on the network was made outside.
func newWorld(t *testing.T, ways ...notify.Notifier) *world {
	t.Helper()
	dir := t.TempDir()
	masters, err := vault.LoadOrCreateFile(filepath.Join(dir, "master.key"))
	ok(t, err)
	shelf, err := vault.OpenDir(filepath.Join(dir, "keys"))
	ok(t, err)
	w := &world{t: t, boxes: map[string]account.Mailbox{}}
	w.store, err = sqlite.Open(t.Context(), dir, vault.NewStore(shelf, masters), sqlite.Options{Exclusive: true})
	ok(t, err)
	t.Cleanup(func() { ok(t, w.store.Close()) })
	w.office = notify.New(notify.Options{Store: w.store, Notifiers: ways, Site: "https://mail.example.org", Key: vault.NewSecret("key"),
		Log: slog.New(slog.NewTextHandler(&w.log, nil)), Wipe: func(context.Context, id.User) error { w.wiped++; return nil }})
	u, err := w.store.SignIn(t.Context(), account.Person{Sub: "ann", Email: "ann@example.org"}, account.SignUp{Rule: "open"})
	ok(t, err)
	w.user = u.ID
	ok(t, w.store.PutGrant(t.Context(), w.user, account.Grant{RefreshToken: vault.NewSecret("token"), Sub: "ann", Email: "ann@example.org", GrantedAt: time.Now()}))
	_, _, err = w.store.BeginSession(t.Context(), w.user, "Firefox on Linux", vault.Secret{})
	ok(t, err)
	w.run()
	return w
}

func (w *world) box(name, host string) {
	w.t.Helper()
	m, err := w.store.EnsureMailbox(w.t.Context(), w.user, account.Mailbox{Name: name, Protocol: "imap", Host: host, Port: 993, Security: "tls",
		Username: name + "@" + host, Password: vault.NewSecret("sesame"), AfterImport: "leave", History: "all"})
	ok(w.t, err)
	w.boxes[name] = m
}

func (w *world) run() {
	w.t.Helper()
	ok(w.t, w.office.Run(w.t.Context()))
}

// pass lets time go by; the office is asked each minute, as the job queue does.
// A mailbox is looked at when it is due, and fails while fault gives one.
func (w *world) pass(d time.Duration, fault func(name string) error) {
	w.t.Helper()
	policy := schedule.Policy{Rand: func(n int64) int64 { return n / 2 }}
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Minute) {
		for _, name := range slices.Sorted(keys(w.boxes)) {
			m := w.boxes[name]
			st, err := w.store.Schedule(w.t.Context(), w.user, m.ID)
			ok(w.t, err)
			set := schedule.Settings{Host: m.Host, Protocol: m.Protocol}
			due, armed := policy.Due(st, set, time.Now())
			if !armed || time.Until(due) > 2*time.Minute && st.Phase != schedule.Idle {
				continue
			}
			var failure error
			if fault != nil {
				failure = fault(name)
			}
			next := policy.Next(st, set, schedule.Outcome{Now: time.Now(), Err: failure})
			if schedule.Worth(st, next) {
				ok(w.t, w.store.Save(w.t.Context(), w.user, m.ID, next))
			}
		}
		w.run()
	}
}

func keys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

var (
	down    = &mail.Fault{Class: mail.Transient, Code: "timeout_connect", Text: "the server does not answer", Said: "CANARY said the server", Err: fmt.Errorf("CANARY chain")}
	refused = &mail.Fault{Class: mail.Login, Code: "app_password_required", Text: "the provider wants an app password", Help: "make one in its settings", Said: "CANARY said the server"}
)

func always(err error) func(string) error { return func(string) error { return err } }

func atMailjet(t *testing.T) (*mailjettest.Server, notify.Notifier) {
	t.Helper()
	s := mailjettest.Start(t)
	n, err := mailjet.New(mailjet.Options{APIURL: s.URL, Key: vault.NewSecret(mailjettest.Key), Secret: vault.NewSecret(mailjettest.Secret),
		From: mailjettest.Sender, Marks: mailjet.Marks{Key: vault.NewSecret("marks")},
		Transport: &http.Transport{DisableKeepAlives: true}}) // an idle connection keeps a bubble's time from going by
	ok(t, err)
	return s, n
}

// breaks is a mailbox that breaks and recovers: 3 hours of an outage, then a
// password that is refused for 4 days, then an outage of 50 minutes.
func breaks(w *world) {
	w.box("Work", "imap.example.org")
	w.pass(time.Hour, nil)
	w.pass(3*time.Hour, always(down))
	w.pass(time.Hour, nil)
	w.pass(4*24*time.Hour, always(refused))
	w.pass(26*time.Hour, nil)
	w.pass(40*time.Minute, always(down))
	w.pass(7*24*time.Hour, nil)
}

var described = []string{
	"No mail comes from Work", "Mail comes from Work again", // the outage
	"No mail comes from Work", "Still: No mail comes from Work", "Still: No mail comes from Work", "Mail comes from Work again", // the password
}

// TestAMailboxThatBreaksAndRecovers is what the user of such a mailbox gets, as
// Mailjet and a real SMTP server see it.
func TestAMailboxThatBreaksAndRecovers(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, subjects []string, texts []string) {
		t.Helper()
		if !slices.Equal(subjects, described) {
			t.Errorf("mails:\n\t%s\nwant:\n\t%s", strings.Join(subjects, "\n\t"), strings.Join(described, "\n\t"))
		}
		for i, text := range texts {
			for _, leak := range []string{"CANARY", "sesame", "token"} {
				if strings.Contains(text, leak) {
					t.Errorf("mail %d holds %s:\n%s", i+1, leak, text)
				}
			}
			if !strings.Contains(text, "https://mail.example.org/") || !strings.Contains(text, "Work") {
				t.Errorf("mail %d names no mailbox, or leads nowhere:\n%s", i+1, text)
			}
		}
		if len(texts) > 2 && !strings.Contains(texts[2], "make one in its settings") {
			t.Errorf("the mail does not say what to do:\n%s", texts[2])
		}
	}
	t.Run("Mailjet", func(t *testing.T) {
		t.Parallel()
		s, way := atMailjet(t)
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, way)
			breaks(w)
		})
		var subjects, texts []string
		for _, m := range s.Taken() {
			subjects, texts = append(subjects, m.Subject), append(texts, m.Text, m.HTML)
			texts = texts[:len(texts)-1]
			if m.To != "ann@example.org" || !strings.Contains(m.HTML, "Work") || strings.Contains(m.HTML, "CANARY") || strings.Contains(m.HTML, "<img") {
				t.Errorf("to %s:\n%s", m.To, m.HTML)
			}
		}
		check(t, subjects, texts)
	})
	t.Run("SMTP", func(t *testing.T) {
		t.Parallel()
		s := exim.Start(t)
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(s.CA.PEM())
		u := url.URL{Scheme: "smtps", User: url.UserPassword(exim.User, exim.Password), Host: fmt.Sprintf("%s:%d", exim.Host, s.SMTPS)}
		way, err := smtp.New(vault.NewSecret(u.String()), "notices@smtp-sync.example", roots)
		ok(t, err)
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, way)
			breaks(w)
		})
		var mails [][]byte
		for range 200 { // it delivers after it has taken
			if mails, err = s.Mails(); err != nil || len(mails) >= len(described) {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		ok(t, err)
		byDate := map[string]string{}
		var dates, texts []string
		for _, raw := range mails {
			m, err := netmail.ReadMessage(bytes.NewReader(raw))
			ok(t, err)
			at, err := m.Header.Date()
			ok(t, err)
			date := at.UTC().Format(time.RFC3339)
			byDate[date] = m.Header.Get("Subject")
			dates = append(dates, date+"\x00"+string(raw))
		}
		slices.Sort(dates)
		var subjects []string
		for _, d := range dates {
			date, raw, _ := strings.Cut(d, "\x00")
			subjects, texts = append(subjects, byDate[date]), append(texts, strings.ReplaceAll(strings.ReplaceAll(raw, "=\n", ""), "=\r\n", ""))
		}
		check(t, subjects, texts)
	})
}

// What Mailjet does not take is sent when it does: nothing is lost, and nothing
// that it has taken comes again.
func TestMailjetDownForADay(t *testing.T) {
	t.Parallel()
	s, way := atMailjet(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, way)
		w.box("Work", "imap.example.org")
		w.pass(5*time.Minute, nil)
		s.Fail(slices.Repeat([]int{503}, 24)...) // the pauses grow to an hour
		w.pass(30*time.Hour, always(refused))
		w.pass(26*time.Hour, nil) // such a mailbox is looked at once a day
	})
	var subjects []string
	for _, m := range s.Taken() {
		subjects = append(subjects, m.Subject)
	}
	want := []string{"No mail comes from Work", "Still: No mail comes from Work", "Mail comes from Work again"}
	if !slices.Equal(subjects, want) {
		t.Errorf("mails = %q, want %q", subjects, want)
	}
}

// What was over before it could be told is not told at all.
func TestWhatIsOverIsNotTold(t *testing.T) {
	t.Parallel()
	s, way := atMailjet(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, way)
		w.box("Work", "imap.example.org")
		w.pass(5*time.Minute, nil)
		s.Fail(slices.Repeat([]int{503}, 10)...)
		w.pass(3*time.Hour, always(refused))
		// Its user has corrected the password.
		m := w.boxes["Work"]
		ok(t, w.store.Save(t.Context(), w.user, m.ID, schedule.State{LastSync: time.Now()}))
		w.pass(3*time.Hour, nil)
	})
	if n := len(s.Taken()); n != 0 {
		t.Errorf("mails = %d, want none: %q", n, s.Taken()[0].Subject)
	}
}

func TestABounceEndsTheMails(t *testing.T) {
	t.Parallel()
	s, way := atMailjet(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, way)
		w.box("Work", "imap.example.org")
		w.pass(10*time.Minute, always(refused))
		taken := s.Taken()
		if len(taken) != 1 {
			t.Fatalf("mails = %d, want 1", len(taken))
		}
		events, err := mailjet.Marks{Key: vault.NewSecret("marks")}.Events(mailjettest.Event("bounce", taken[0], map[string]any{"hard_bounce": true}))
		ok(t, err)
		ok(t, w.office.Hear(t.Context(), events))
		ok(t, w.office.Hear(t.Context(), events)) // Mailjet repeats itself
		ok(t, w.office.Hear(t.Context(), []notify.Event{{User: id.New[id.User](), What: "spam"}}))
		w.pass(2*24*time.Hour, always(refused))
		if n := len(s.Taken()); n != 1 {
			t.Errorf("mails = %d, want none after the bounce", n-1)
		}
		if why, err := w.office.Blocked(t.Context(), w.user); err != nil || why != "bounce" {
			t.Errorf("blocked = %q, %v", why, err)
		}
		ok(t, w.office.Unblock(t.Context(), w.user))
		w.pass(2*24*time.Hour, always(refused))
		if n := len(s.Taken()); n != 2 {
			t.Errorf("mails = %d, want the next reminder", n)
		}
	})
}

// The address is destroyed with the grant: the letter that says so is sent with
// what memory has, and no other comes after it.
func TestAFarewell(t *testing.T) {
	t.Parallel()
	s, way := atMailjet(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, way, notify.Log{Log: slog.New(slog.NewTextHandler(&w0, nil))})
		w.box("Work", "imap.example.org")
		w.pass(5*time.Minute, nil)
		who, err := w.store.Person(t.Context(), w.user)
		ok(t, err)
		ok(t, w.store.DropGrant(t.Context(), w.user))
		s.Fail(503, 503)
		w.office.Farewell(w.user, who.Email, notify.Revoked, "")
		w.pass(24*time.Hour, always(&mail.Fault{Class: mail.Grant, Code: "grant_missing", Text: "smtp-sync may not add mail"}))
		w.office.Close(t.Context())
	})
	if got := s.Taken(); len(got) != 1 || got[0].Subject != "Google access has ended" || got[0].To != "ann@example.org" {
		t.Errorf("mails = %+v, want the farewell alone", got)
	}
}

var w0 bytes.Buffer

func TestTheDigestEndsWithOneClick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var way recorder
		w := newWorld(t, &way)
		w.box("Work", "imap.example.org")
		for range 4 { // flapping: the third and later openings are for the digest
			w.pass(10*time.Minute, always(refused))
			ok(t, w.store.Save(t.Context(), w.user, w.boxes["Work"].ID, schedule.State{LastSync: time.Now()}))
			w.pass(10*time.Minute, nil)
		}
		w.pass(24*time.Hour, nil)
		last := way.letters[len(way.letters)-1]
		if last.Kind != notify.Digest || !strings.HasPrefix(last.Unsubscribe, "https://mail.example.org/notices/digest/") {
			t.Fatalf("last letter = %+v", last)
		}
		token := last.Unsubscribe[len("https://mail.example.org/notices/digest/"):]
		for _, bad := range []string{"", token[:36], token + "0", strings.Replace(token, w.user.String(), id.New[id.User]().String(), 1)} {
			if err := w.office.EndDigest(t.Context(), bad, w.store); err != account.ErrNone {
				t.Errorf("%q: %v, want %v", bad, err, account.ErrNone)
			}
		}
		ok(t, w.office.EndDigest(t.Context(), token, w.store))
		p, err := w.store.Profile(t.Context(), w.user)
		ok(t, err)
		if got := notify.WantsOf(p); got.Digest || !got.Failing || !got.SignIn {
			t.Errorf("wants = %+v, want all but the digest", got)
		}
	})
}

// recorder keeps letters.
type recorder struct{ letters []notify.Letter }

func (*recorder) Name() string { return "mail" }
func (*recorder) Mails() bool  { return true }
func (r *recorder) Send(_ context.Context, l notify.Letter) error {
	r.letters = append(r.letters, l)
	return nil
}

func TestWhoIsWarnedAndStaysAwayIsWiped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var way recorder
		w := newWorld(t, &way)
		ok(t, w.store.Watch(t.Context(), w.user))
		for range 121 {
			w.run()
			time.Sleep(24 * time.Hour)
		}
		w.run()
		if len(way.letters) != 1 || way.letters[0].Kind != notify.Inactive || !strings.Contains(way.letters[0].Text, "After 30 April 2000") {
			t.Errorf("letters = %+v", way.letters)
		}
		if w.wiped == 0 {
			t.Error("nobody was wiped")
		}
	})
}

// A mailbox that is wiped is in no letter that was not sent yet.
func TestAWipedMailboxIsNotTold(t *testing.T) {
	t.Parallel()
	s, way := atMailjet(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, way)
		w.box("Work", "imap.example.org")
		w.pass(5*time.Minute, nil)
		s.Fail(slices.Repeat([]int{503}, 3)...)
		w.pass(2*time.Minute, always(refused))
		_, err := w.store.WipeMailbox(t.Context(), w.user, w.boxes["Work"].ID)
		ok(t, err)
		delete(w.boxes, "Work")
		w.pass(24*time.Hour, nil)
		ok(t, w.store.Notices(t.Context(), w.user, func(m *notify.Memory) {
			if len(m.Outbox) != 0 || len(m.Incidents) != 0 {
				t.Errorf("left: %+v", m)
			}
		}))
	})
	if n := len(s.Taken()); n != 0 {
		t.Errorf("mails = %d, want none", n)
	}
}
