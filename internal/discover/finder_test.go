package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// world is everything outside, as a test wants it. What it does not have is not
// there.
type world struct {
	srv   map[string][]*net.SRV // by "_imaps._tcp.example.com"
	mx    map[string][]*net.MX
	files map[string]string // by URL
	open  map[string]error  // by "host:port": nil is an answer
	slow  map[string]bool   // "srv", "mx", "web", "knock" never answer

	mu    sync.Mutex
	asked []string
}

var errNone = errors.New("none")

func (w *world) ask(ctx context.Context, kind, what string) error {
	w.mu.Lock()
	w.asked = append(w.asked, kind+" "+what)
	w.mu.Unlock()
	if w.slow[kind] {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (w *world) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	key := "_" + service + "._" + proto + "." + name
	if err := w.ask(ctx, "srv", key); err != nil {
		return "", nil, err
	}
	return key, w.srv[key], nil
}

func (w *world) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	if err := w.ask(ctx, "mx", name); err != nil {
		return nil, err
	}
	return w.mx[name], nil
}

func (w *world) Get(ctx context.Context, url string) ([]byte, error) {
	if err := w.ask(ctx, "web", url); err != nil {
		return nil, err
	}
	if file, ok := w.files[url]; ok {
		return []byte(file), nil
	}
	return nil, errNone
}

func (w *world) Knock(ctx context.Context, host string, port uint16, tls bool) error {
	if err := w.ask(ctx, "knock", fmt.Sprintf("%s:%d %t", host, port, tls)); err != nil {
		return err
	}
	if !slices.Contains(dial.MailPorts, port) {
		return &mail.Fault{Code: "port_forbidden"}
	}
	if err, ok := w.open[fmt.Sprintf("%s:%d", host, port)]; ok {
		if f, _ := mail.AsFault(err); f != nil && f.Code == "tls_certificate" && !tls {
			return nil
		}
		return err
	}
	return &mail.Fault{Code: "unreachable"}
}

func (w *world) finder() *Finder { return New(nil, Options{DNS: w, Web: w, Knock: w}) }

func (w *world) find(t *testing.T, address string) []string {
	t.Helper()
	found, err := w.finder().Find(t.Context(), address)
	if err != nil {
		t.Fatalf("Find(%s): %v", address, err)
	}
	return lines(found)
}

func lines(found []Candidate) (out []string) {
	for _, c := range found {
		out = append(out, fmt.Sprintf("%s %s %s:%d %s %s %s", c.Source, c.Protocol, c.Host, c.Port, c.Security, c.Username, c.Auth))
	}
	return out
}

func equal(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func config(servers string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><clientConfig version="1.1"><emailProvider id="x"><domain>x</domain>` +
		servers + `</emailProvider></clientConfig>`
}

func incoming(protocol, host string, port int, socket string) string {
	return fmt.Sprintf(`<incomingServer type="%s"><hostname>%s</hostname><port>%d</port><socketType>%s</socketType>`+
		`<username>%%EMAILADDRESS%%</username><authentication>password-cleartext</authentication></incomingServer>`, protocol, host, port, socket)
}

const (
	file1 = "https://autoconfig.example.com/mail/config-v1.1.xml"
	file2 = "https://example.com/.well-known/autoconfig/mail/config-v1.1.xml"
)

func TestDatabaseAnswersAloneAndNobodyIsAsked(t *testing.T) {
	t.Parallel()
	w := &world{}
	equal(t, w.find(t, "ann@web.de"),
		"ispdb imap imap.web.de:993 tls ann password",
		"ispdb pop3 pop3.web.de:995 tls ann password",
		"ispdb imap imap.web.de:143 starttls ann password",
		"ispdb pop3 pop3.web.de:110 starttls ann password")
	if len(w.asked) > 0 {
		t.Errorf("asked outside: %v", w.asked)
	}
}

func TestCandidatesAreSortedBestFirstAndOnce(t *testing.T) {
	t.Parallel()
	w := &world{
		srv: map[string][]*net.SRV{
			"_imaps._tcp.example.com": {{Target: "IMAP.example.com.", Port: 993}},
			"_imap._tcp.example.com":  {{Target: "imap.example.com.", Port: 143}},
			"_pop3s._tcp.example.com": {{Target: "pop.example.com.", Port: 995}},
		},
		files: map[string]string{file2: config(incoming("pop3", "pop.example.com", 995, "SSL") + incoming("imap", "imap.example.com", 993, "SSL") +
			incoming("imap", "imap2.example.com", 993, "SSL") + incoming("imap", "plain.example.com", 143, "plain"))},
		mx:   map[string][]*net.MX{"example.com": {{Host: "backup.elsewhere.example.", Pref: 20}, {Host: "mx00.kundenserver.de.", Pref: 10}}},
		open: map[string]error{"mail.example.com:993": nil},
	}
	equal(t, w.find(t, "ann@example.com"),
		"srv imap imap.example.com:993 tls ann@example.com password",
		"autoconfig imap imap2.example.com:993 tls ann@example.com password",
		"mx imap imap.1und1.de:993 tls ann@example.com password",
		"srv pop3 pop.example.com:995 tls ann@example.com password",
		"mx pop3 pop.1und1.de:995 tls ann@example.com password",
		"srv imap imap.example.com:143 starttls ann@example.com password",
		"mx imap imap.1und1.de:143 starttls ann@example.com password",
		"mx pop3 pop.1und1.de:110 starttls ann@example.com password")
}

func TestGuessIsTakenOnlyWhereNobodyKnowsAndTLSAnswers(t *testing.T) {
	t.Parallel()
	bad := &mail.Fault{Code: "tls_certificate"}
	w := &world{open: map[string]error{
		"mail.example.com:993": nil, "imap.example.com:993": bad, "mail.example.com:143": nil,
		"mail.example.com:995": bad, "pop.example.com:110": nil,
	}}
	equal(t, w.find(t, "ann@example.com"),
		"guess imap mail.example.com:993 tls ann@example.com password",
		"guess pop3 pop.example.com:110 starttls ann@example.com password")
	equal(t, (&world{}).find(t, "ann@example.com"))
}

func TestServiceThatIsNotOfferedIsNotGuessed(t *testing.T) {
	t.Parallel()
	w := &world{
		srv:  map[string][]*net.SRV{"_pop3s._tcp.example.com": {{Target: ".", Port: 0}}},
		open: map[string]error{"mail.example.com:993": nil, "mail.example.com:995": nil},
	}
	equal(t, w.find(t, "ann@example.com"), "guess imap mail.example.com:993 tls ann@example.com password")
}

func TestHostsThatADomainNamesAreChecked(t *testing.T) {
	t.Parallel()
	inside := &mail.Fault{Code: "address_forbidden"}
	w := &world{
		srv: map[string][]*net.SRV{"_imaps._tcp.example.com": {
			{Target: "metadata.example.com.", Port: 993}, {Target: "ssh.example.com.", Port: 22}, {Target: "down.example.com.", Port: 993}, {Target: "2130706433.", Port: 993},
		}},
		files: map[string]string{file1: config(incoming("imap", "10.0.0.1 ", 993, "SSL") + incoming("imap", "a b", 993, "SSL") +
			incoming("imap", "mail.%EMAILDOMAIN%", 993, "SSL") + incoming("imap", "imap.example.com", 65536+993, "SSL") + incoming("imap", "smtp.example.com", 587, "STARTTLS"))},
		open: map[string]error{"metadata.example.com:993": inside, "10.0.0.1:993": inside, "mail.example.com:993": nil},
	}
	equal(t, w.find(t, "ann@example.com"),
		"srv imap down.example.com:993 tls ann@example.com password",
		"autoconfig imap mail.example.com:993 tls ann@example.com password")
}

func TestHostBelowTheDomainIsCheckedAlsoWhereTheDatabaseNamesIt(t *testing.T) {
	t.Parallel()
	inside := &mail.Fault{Code: "address_forbidden"}
	w := &world{
		mx:   map[string][]*net.MX{"example.com": {{Host: "mx1.inbox.lv."}}}, // its hosts are mail.%EMAILDOMAIN%
		open: map[string]error{"mail.example.com:995": inside},
	}
	equal(t, w.find(t, "ann@example.com"), "mx imap mail.example.com:993 tls ann@example.com password")
}

func TestInternationalDomainIsAskedForInALabels(t *testing.T) {
	t.Parallel()
	w := &world{open: map[string]error{"imap.xn--mnchen-3ya.example:993": nil}}
	equal(t, w.find(t, "ann@MÜNCHEN.example"), "guess imap imap.xn--mnchen-3ya.example:993 tls ann@münchen.example password")
	for _, line := range w.asked {
		if strings.ContainsFunc(line, func(r rune) bool { return r > 0x7e }) {
			t.Errorf("asked for %q", line)
		}
	}
}

func TestAddressIsToldToNobody(t *testing.T) {
	t.Parallel()
	w := &world{}
	w.find(t, "canary-4711@example.com")
	if len(w.asked) < 10 {
		t.Errorf("asked only %v", w.asked)
	}
	for _, line := range w.asked {
		if strings.Contains(line, "canary-4711") || strings.Contains(line, "@") {
			t.Errorf("asked for %q", line)
		}
	}
}

func TestSearchEndsWithinItsBudget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		slow []string
		open map[string]error
		want time.Duration
	}{
		{"nobody answers", []string{"srv", "mx", "web", "knock"}, nil, Budget},
		{"the guess is slow", []string{"knock"}, nil, Budget},
		{"only the web is slow", []string{"web"}, map[string]error{"mail.example.com:993": nil}, Budget},
		{"somebody knows, so the guess is given up", nil, nil, 0},
		{"a named server is slow", []string{"knock"}, nil, patience},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &world{open: c.open, slow: map[string]bool{}}
				for _, kind := range c.slow {
					w.slow[kind] = true
				}
				if strings.HasPrefix(c.name, "somebody") {
					w.mx = map[string][]*net.MX{"example.com": {{Host: "mx1.migadu.com."}}}
					w.slow["knock"] = true
				}
				if strings.HasPrefix(c.name, "a named") {
					w.srv = map[string][]*net.SRV{"_imaps._tcp.example.com": {{Target: "imap.example.com.", Port: 993}}}
				}
				start := time.Now()
				found, err := w.finder().Find(t.Context(), "ann@example.com")
				if took := time.Since(start); err != nil || took != c.want {
					t.Errorf("took %v (%v, %v), want %v", took, lines(found), err, c.want)
				}
				if known := c.want < Budget || c.open != nil; known != (len(found) > 0) {
					t.Errorf("found %v", lines(found))
				}
			})
		})
	}
}

func TestSearchEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w := &world{slow: map[string]bool{"srv": true, "knock": true}}
		_, err := w.finder().Find(ctx, "ann@example.com")
		if f, _ := mail.AsFault(err); f == nil || f.Code != "cancelled" {
			t.Errorf("Find: %v, want cancelled", err)
		}
	})
}

func TestProvidersWithoutAWayInSaySo(t *testing.T) {
	t.Parallel()
	tuta := &world{mx: map[string][]*net.MX{"example.com": {{Host: "mail.tutanota.de."}}}}
	for _, c := range []struct {
		w             *world
		address, code string
	}{
		{&world{}, "ann@tuta.com", "provider_closed"},
		{tuta, "ann@example.com", "provider_closed"},
		{&world{}, "ann@bay.wind.ne.jp", "no_encryption"},
	} {
		found, err := c.w.finder().Find(t.Context(), c.address)
		f, _ := mail.AsFault(err)
		if f == nil || f.Code != c.code || f.Class != mail.Setup || f.Help == "" {
			t.Errorf("Find(%s) = %v, %v; want %s", c.address, lines(found), err, c.code)
		}
	}
	// The database may be older than the provider's TLS.
	now := &world{open: map[string]error{"mail.bay.wind.ne.jp:993": nil}}
	equal(t, now.find(t, "ann@bay.wind.ne.jp"), "guess imap mail.bay.wind.ne.jp:993 tls ann@bay.wind.ne.jp password")
}

func TestHintsSayWhatTheProviderWants(t *testing.T) {
	t.Parallel()
	hosted := func(mx string) map[string][]*net.MX { return map[string][]*net.MX{"example.com": {{Host: mx}}} }
	for _, c := range []struct{ address, mx, auth, hint string }{
		{"ann@yahoo.com", "", "app-password", "app password"},
		{"ann@gmail.com", "", "app-password", "nothing to do"},
		{"ann@outlook.com", "", "oauth", "POP and IMAP on"},
		{"ann@icloud.com", "", "app-password", "before the @"},
		{"ann@gmx.net", "", "password", "POP3/IMAP"},
		{"ann@inbox.lv", "", "password", "help.inbox.lv"},
		{"ann@proton.me", "", "app-password", "Bridge"},
		{"ann@fastmail.com", "", "app-password", "app password"},
		{"ann@example.com", "in1-smtp.messagingengine.com.", "app-password", "Fastmail"},
		{"ann@example.com", "aspmx.l.google.com.", "app-password", "Google"},
		{"ann@example.com", "example-com.mail.protection.outlook.com.", "oauth", "Microsoft"},
		{"ann@example.com", "mx1.hostinger.com.", "password", ""},
	} {
		found, err := (&world{mx: hosted(c.mx)}).finder().Find(t.Context(), c.address)
		if err != nil || len(found) == 0 {
			t.Errorf("Find(%s) = %v, %v", c.address, found, err)
			continue
		}
		for _, got := range found {
			if got.Auth != c.auth || !strings.Contains(got.Hint, c.hint) || c.hint == "" && got.Hint != "" {
				t.Errorf("%s %s: auth %s, hint %q; want %s, %q", c.address, c.mx, got.Auth, got.Hint, c.auth, c.hint)
			}
		}
	}
}

func TestEveryProviderInTheDatabasesIsSafeToOffer(t *testing.T) {
	t.Parallel()
	a := address{"ann", "example.com", "example.com"}
	for _, db := range databases() {
		for domain, i := range db.Domains {
			if host, err := dial.CheckHost(domain); err != nil || host != domain || i < 0 || i >= len(db.Providers) {
				t.Errorf("domain %q -> %d: %q, %v", domain, i, host, err)
			}
		}
		for _, p := range db.Providers {
			for _, c := range p.candidates(a, "ispdb") {
				host, err := dial.CheckHost(c.Host)
				bridge := strings.Contains(c.Hint, "Proton")
				if err != nil || host != c.Host || !slices.Contains(dial.MailPorts, uint16(c.Port)) && !bridge ||
					c.Security != "tls" && c.Security != "starttls" || strings.Contains(c.Username, "%") || cmp.Or(c.Auth, c.Username) == "" {
					t.Errorf("%s: %+v (%v)", p.Name, c, err)
				}
			}
		}
	}
}

func TestAdviceGoesByMailHost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ host, protocol, want string }{
		{"export.imap.mail.yahoo.com", "imap", "Yahoo"},
		{"notmail.yahoo.example", "imap", ""},
		{"evilmail.me.com", "imap", ""},
		{"pop.yandex.com", "pop3", "keeps mail"},
		{"ssl0.ovh.net", "pop3", "OVH"},
		{"ssl0.ovh.net", "imap", ""},
		{"127.0.0.1", "imap", ""},
	} {
		if got := For(c.host, c.protocol).Text; !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("For(%s, %s) = %q, want %q in it", c.host, c.protocol, got, c.want)
		}
	}
}
