package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/quota"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// rig is one mailbox at a real Dovecot, and a Gmail double: passes as the
// settings of the mailbox make them.
type rig struct {
	t      *testing.T
	server *dovecot.Server
	double *gmailtest.Listening
	box    account.Mailbox
	out    *dial.Dialer
	client *gmail.Client
	books  *ledger.MemoryBox
	keys   *vault.MailboxKeys
	aged   int // days that the ledger has aged
}

const gmailUser = "u@example.org"

func newRig(t *testing.T, way dovecot.Way, server *dovecot.Server, name, after string) *rig {
	t.Helper()
	double, err := gmailtest.Start(gmailtest.Options{}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(double.Close)
	double.AddUser(gmailUser)
	transport := gmail.NewTransport(double.Roots)
	t.Cleanup(transport.CloseIdleConnections)
	client, err := gmail.New(gmail.Options{APIURL: double.URL, Transport: transport, Tokens: freeTokens{double.Server}})
	if err != nil {
		t.Fatal(err)
	}
	user, box := id.New[id.User](), id.New[id.Mailbox]()
	r := &rig{t: t, server: server, double: double, client: client, books: ledger.NewMemory().Take().Mailbox(box),
		keys: vault.NewUserKey(user, vault.NewSecret(make([]byte, 32))).MailboxKeys(vault.NewSecret(make([]byte, 32))),
		box: account.Mailbox{ID: box, Protocol: way.Protocol, Host: server.Host, Port: way.Port, Security: "tls", Username: name,
			Password: vault.NewSecret("sesame"), AfterImport: after, History: "all"},
		out: dial.New(dial.Options{Roots: server.CA.Pool(), Policy: dial.Policy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: []uint16{uint16(way.Port)}}})}
	if way.StartTLS {
		r.box.Security = "starttls"
	}
	return r
}

type freeTokens struct{ double *gmailtest.Server }

func (f freeTokens) Token(context.Context, vault.Secret) (vault.Secret, error) {
	return vault.NewSecret(f.double.AccessToken(gmailUser, gmailtest.ScopeInsert, gmailtest.ScopeLabels)), nil
}

func (freeTokens) Granted(context.Context, string) (bool, error) { return true, nil }

// aged is a ledger some days later.
type aged struct {
	bridge.Ledger
	days int
}

func (a aged) Entries(ctx context.Context) ([]ledger.Entry, error) {
	all, err := a.Ledger.Entries(ctx)
	for i := range all {
		all[i].Day -= ledger.Day(a.days)
	}
	return all, err
}

func (r *rig) sync() bridge.Report {
	r.t.Helper()
	p := passOf(r.box)
	p.Dialer, p.Gmail, p.Keys, p.Ledger = dialer(r.box, nil, r.out), r.client, r.keys, aged{r.books, r.aged}
	p.Budget = quota.New(quota.Limits{}, &quota.Memory{}).Budget(id.New[id.User]())
	rep, err := bridge.Sync(r.t.Context(), p)
	if err != nil {
		r.t.Fatalf("sync: %v", err)
	}
	return rep
}

func (r *rig) deliver(folder string, numbers ...uint64) {
	r.t.Helper()
	for _, n := range numbers {
		if err := r.server.Deliver(r.box.Username, folder, testkit.Message(n)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// holds gives which of the messages are in a folder, past the server.
func (r *rig) holds(folder string) (numbers []uint64) {
	r.t.Helper()
	paths, err := r.server.Files(r.box.Username, folder)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			r.t.Fatal(err)
		}
		for n := range uint64(100) {
			if bytes.Equal(raw, testkit.Message(n)) {
				numbers = append(numbers, n)
			}
		}
	}
	slices.Sort(numbers)
	return numbers
}

func (r *rig) want(when, folder string, numbers ...uint64) {
	r.t.Helper()
	if got := r.holds(folder); !slices.Equal(got, numbers) {
		r.t.Errorf("%s: %s holds %v, want %v", when, folder, got, numbers)
	}
}

func TestOriginalsAtDovecot(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t)
	for i := range 20 { // all at once: Dovecot may overlook a later one
		if err := server.AddUser(fmt.Sprint("ann", i), "sesame"); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, way := range server.Ways() {
		for _, after := range []string{"leave", "seen", "delete", "delete_after:7d", "move:Archiv/Übernommen"} {
			a, err := account.ParseAfter(after)
			if err != nil {
				t.Fatal(err)
			}
			if a.Fits(way.Protocol, nil) != nil {
				continue
			}
			name := fmt.Sprint("ann", n)
			n++
			t.Run(way.Name+"/"+after, func(t *testing.T) { originals(newRig(t, way, server, name, after), a) })
		}
	}
}

func originals(r *rig, a account.After) {
	r.deliver("INBOX", 1, 2, 3)
	if rep := r.sync(); rep.Imported != 3 || rep.Undone != nil {
		r.t.Fatalf("%+v", rep)
	}
	r.deliver("INBOX", 4)
	later := []uint64{1, 2, 3, 4}
	if a.Do == "delete" && a.Days == 0 || a.Do == "move" {
		later = []uint64{4}
	}
	r.want("after the first sync", "INBOX", later...)
	for _, days := range []int{0, a.Days, a.Days + 1} { // whole days, and the import's own is none
		r.aged = days
		rep := r.sync()
		if rep.Undone != nil || rep.Imported > 1 {
			r.t.Errorf("after %d days: %+v", days, rep)
		}
		switch {
		case a.Do == "delete" && days > a.Days:
			r.want(fmt.Sprint(days, " days"), "INBOX")
		case a.Days > 0 || a.Do == "leave" || a.Do == "seen":
			r.want(fmt.Sprint(days, " days"), "INBOX", 1, 2, 3, 4)
		}
	}
	if a.Do == "move" {
		r.want("at the end", "INBOX")
		r.want("at the end", "Archiv/&ANw-bernommen", 1, 2, 3, 4)
	}
	if n := r.double.Count(gmailUser); n != 4 {
		r.t.Errorf("%d messages are in Gmail, want 4", n)
	}
}
