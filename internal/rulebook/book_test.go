package rulebook_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/rulebook"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
	"github.com/smtp-sync/smtp-sync/plugins/shipped"
)

type world struct {
	*rulebook.Book
	store rules.Memory
	host  *plugins.Host
	user  id.User
	box   id.Mailbox

	trusts []string
}

func newWorld(t *testing.T, uploads bool) *world {
	t.Helper()
	host, err := plugins.New(t.Context(), plugins.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = host.Close(context.Background()) })
	w := &world{host: host, user: id.New[id.User](), box: id.New[id.Mailbox]()}
	w.Book = rulebook.New(&w.store, host, uploads)
	return w
}

func (w *world) put(t *testing.T, plugin, config string) rules.Rule {
	t.Helper()
	r, err := w.Put(t.Context(), w.user, rules.Rule{Name: plugin, Plugin: plugin, Config: []byte(config), Everywhere: true, Enabled: true}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// mailbox is the one whose mail they are asked about.
func (w *world) mailbox() account.Mailbox {
	return account.Mailbox{ID: w.box, Name: "old", Authserv: w.trusts}
}

// says asks the rules of the mailbox about a message.
func (w *world) says(t *testing.T, header string) mail.Verdict {
	t.Helper()
	c, err := w.Chain(t.Context(), w.user, w.mailbox())
	if err != nil || c == nil {
		t.Fatalf("chain: %v %v", c, err)
	}
	v, err := c.Decide(t.Context(), mail.ParseHeader([]byte(header)), mail.Ref{Size: 100})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const fromShop = "From: a@news.shop.example\r\nList-Id: <deals.shop.example>\r\n\r\n"

func TestAPassAsksTheRulesAsTheyAreNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	if c, err := w.Chain(t.Context(), w.user, w.mailbox()); c != nil || err != nil {
		t.Errorf("without rules: %v, %v", c, err)
	}
	w.put(t, "label-by-list-id", `{}`)
	r := w.put(t, "skip-domains", `{"domains":["other.example"]}`)
	if v := w.says(t, fromShop); v.Skip || len(v.Labels) != 1 || v.Labels[0] != "deals.shop.example" {
		t.Errorf("got %+v", v)
	}
	r.Config = []byte(`{"domains":["shop.example"]}`)
	if _, err := w.Put(t.Context(), w.user, r, 1); err != nil {
		t.Fatal(err)
	}
	if v := w.says(t, fromShop); !v.Skip || v.Reason != "skip-domains/1" {
		t.Errorf("changed and moved to the front: %+v", v)
	}
	all, err := w.Rules(t.Context(), w.user)
	if err != nil || all[0].Asked != 2 || all[1].Asked != 1 || all[0].Failed+all[1].Failed != 0 {
		t.Errorf("runs: %+v, %v", all, err)
	}
	r.Enabled = false
	if _, err := w.Put(t.Context(), w.user, r, 0); err != nil {
		t.Fatal(err)
	}
	if v := w.says(t, fromShop); v.Skip {
		t.Errorf("switched off: %+v", v)
	}
	r.Enabled, r.Everywhere, r.Mailboxes = true, false, []id.Mailbox{id.New[id.Mailbox]()}
	if _, err := w.Put(t.Context(), w.user, r, 0); err != nil {
		t.Fatal(err)
	}
	if v := w.says(t, fromShop); v.Skip {
		t.Errorf("for another mailbox: %+v", v)
	}
	if c, err := w.Chain(t.Context(), id.New[id.User](), w.mailbox()); c != nil || err != nil {
		t.Errorf("another user has %v, %v", c, err)
	}
}

// TestARuleThatCannotBeMadeIsLeftOutAndTheAuditSaysSo: mail comes past it.
func TestARuleThatCannotBeMadeIsLeftOutAndTheAuditSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.put(t, "label-by-list-id", `{}`)
	bad := rules.Rule{Name: "n", Plugin: "skip-domains", Config: []byte(`{"domains":1}`), Everywhere: true, Enabled: true}
	if _, err := w.Put(t.Context(), w.user, bad, 1); err == nil {
		t.Error("settings that do not fit are taken")
	} else if _, ok := errors.AsType[manifest.Faults](err); !ok {
		t.Errorf("got %v", err)
	}
	bad, err := w.store.PutRule(t.Context(), w.user, bad, 1) // as an older release may have taken it
	if err != nil {
		t.Fatal(err)
	}
	if v := w.says(t, fromShop); v.Skip || len(v.Labels) != 1 || v.Reason != "rule_failed:config:skip-domains" {
		t.Errorf("got %+v", v)
	}
	if all, _ := w.Rules(t.Context(), w.user); all[0].ID != bad.ID || all[0].Fault != "config" {
		t.Errorf("its rule does not say so: %+v", all)
	}
}

func TestWithoutUploadsNobodysModuleRuns(t *testing.T) {
	t.Parallel()
	r, _ := shipped.Named("skip-domains")
	w := newWorld(t, true)
	p, report, err := w.Upload(t.Context(), w.user, r.Wasm)
	if err != nil || report.Octets != len(r.Wasm) {
		t.Fatalf("%v %+v", err, report)
	}
	w.put(t, p.ID, `{"domains":["shop.example"]}`)
	if v := w.says(t, fromShop); !v.Skip {
		t.Errorf("where they are taken: %+v", v)
	}
	closed := &world{Book: rulebook.New(&w.store, w.host, false), user: w.user, box: w.box} // anybody may sign up from now on
	if v := closed.says(t, fromShop); v.Skip || !strings.HasPrefix(v.Reason, "rule_failed:not_run_here:") {
		t.Errorf("where they are not: %+v", v)
	}
	if _, err := closed.Try(t.Context(), w.user, p.ID, []byte(`{"domains":["a.example"]}`), fromShop, 0); err == nil {
		t.Error("it is tried")
	}
	if _, _, err := closed.Upload(t.Context(), w.user, r.Wasm); !errors.Is(err, rulebook.ErrNoUploads) {
		t.Errorf("it is uploaded: %v", err)
	}
	if _, err := closed.Module(t.Context(), id.New[id.User](), p.ID); !errors.Is(err, account.ErrNone) {
		t.Errorf("another's module: %v", err)
	}
}

// TestWhoIsTrustedIsSaidByTheMailbox: what anybody may write into a header is
// believed of the servers alone that its user trusts there.
func TestWhoIsTrustedIsSaidByTheMailbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.put(t, "never-spam-from", `{"domains":["shop.example"]}`)
	const proven = "Authentication-Results: mx.example.net; dmarc=pass\r\n" + fromShop
	if v := w.says(t, proven); v.NeverSpam {
		t.Error("believed, though nobody is trusted")
	}
	w.trusts = []string{"mx.example.org"}
	if v := w.says(t, proven); v.NeverSpam {
		t.Error("believed, though another is trusted")
	}
	w.trusts = []string{"mx.example.net"}
	if v := w.says(t, proven); !v.NeverSpam {
		t.Error("not believed of a server that is trusted")
	}
}

func TestNothingOfAWipedUserStaysInMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.put(t, "skip-domains", `{"domains":["shop.example"]}`)
	w.says(t, fromShop)
	if w.Held(w.user) != 2 {
		t.Fatalf("%d things are held, want a rule and its count", w.Held(w.user))
	}
	w.Left(w.user)
	if n := w.Held(w.user); n != 0 {
		t.Errorf("%d things are held", n)
	}
}

// TestMemoryKeepsTheRulesOfSomeUsers: what rules cost does not grow with the users
// there are; whose rules went has them made again, and no count is lost.
func TestMemoryKeepsTheRulesOfSomeUsers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.put(t, "label-by-list-id", `{}`)
	mine := w.user
	w.says(t, fromShop)
	for range rulebook.MaxUsers + 5 {
		w.user = id.New[id.User]()
		w.put(t, "label-by-list-id", `{}`)
		w.says(t, fromShop)
	}
	if made, counted := w.Users(); made > rulebook.MaxUsers || counted > rulebook.MaxUsers+2 {
		t.Errorf("rules of %d users are kept, and counts of %d", made, counted)
	}
	w.user = mine
	if v := w.says(t, fromShop); len(v.Labels) != 1 {
		t.Errorf("%+v", v)
	}
	all, err := w.Rules(t.Context(), mine)
	if err != nil || len(all) != 1 || all[0].Asked != 2 {
		t.Errorf("%+v, %v, want two asked", all, err)
	}
}
