package e2e

import (
	"fmt"
	"net/url"
	"time"

	accounts "github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/discover"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/probe"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/vault"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// rooms are all pages, in the order in which a person could come to see them.
var rooms = []struct {
	name string
	show func(*gallery)
}{
	{"before signing in", (*gallery).outside},
	{"with nothing yet", (*gallery).empty},
	{"adding a mailbox", (*gallery).wizard},
	{"mailboxes in every state", (*gallery).mailboxes},
	{"the audit and why", (*gallery).audit},
	{"those of another program", (*gallery).bring},
	{"rules", (*gallery).rules},
	{"settings and everything held", (*gallery).settings},
	{"deletions", (*gallery).deletions},
}

func (g *gallery) outside() {
	g.open("/")
	g.look("signin")
	g.open("/audit")
	g.look("signin.expired")
	g.open("/nowhere")
	g.look("error.nowhere")
	g.open("/privacy")
	g.look("privacy.outside")
}

func (g *gallery) empty() {
	g.enters("new")
	g.open("/mailboxes")
	g.look("mailboxes.empty")
	for path, name := range map[string]string{"/audit": "audit.empty", "/why": "why.empty", "/lens": "lens.empty", "/settings": "settings.empty", "/auth/google/grant?labels=1": "grant.labels"} {
		g.open(path)
		g.look(name)
	}
	g.allow(accounts.Incomplete)
	g.open("/mailboxes")
	g.look("mailboxes.incomplete")
	g.open("/auth/google/grant")
	g.look("grant.incomplete")
}

// allow makes Google allow this.
func (g *gallery) allow(status accounts.Status, scopes ...string) {
	g.t.Helper()
	err := g.w.Accounts.PutGrant(g.ctx, g.user, accounts.Grant{Status: status, RefreshToken: vault.NewSecret("r"), Scopes: scopes, GrantedAt: time.Now().Add(-40 * 24 * time.Hour)})
	if err != nil {
		g.t.Fatal(err)
	}
}

// went are the steps of a good connection test.
var went = []probe.Step{{Name: "dns", OK: true, MS: 3, Detail: "imap.old-provider.example is 192.0.2.17"}, {Name: "connect", OK: true, MS: 14},
	{Name: "tls", OK: true, MS: 25, TLS: &probe.TLS{Version: "TLS 1.3", Name: "imap.old-provider.example", Chain: []string{"imap.old-provider.example", "Example Intermediate R11", "Example Root X1"}, ExpiresDays: 71}},
	{Name: "greeting", OK: true, MS: 9}, {Name: "capability", OK: true, MS: 8}, {Name: "login", OK: true, MS: 120}, {Name: "list", OK: true, MS: 44}}

func (g *gallery) wizard() {
	yahoo := discover.For("imap.mail.yahoo.com", "imap").Text
	g.open("/mailboxes/new")
	g.look("new.address")
	g.w.Found = nil
	g.fill("E-mail address", "ann@nobody.example")
	g.follow("Find the server")
	g.look("new.notfound")
	outlook := discover.For("outlook.office365.com", "imap")
	g.w.Found = []discover.Candidate{{Protocol: "imap", Host: "outlook.office365.com", Port: 993, Security: "tls", Username: "ann@outlook.com", Source: "ispdb", Auth: outlook.Auth, Hint: outlook.Text},
		{Protocol: "pop3", Host: "outlook.office365.com", Port: 995, Security: "tls", Username: "ann@outlook.com", Source: "ispdb", Auth: outlook.Auth, Hint: outlook.Text}}
	g.follow("Another address")
	g.fill("E-mail address", "ann@outlook.com")
	g.follow("Find the server")
	g.seesNot("Test the connection")
	g.sees("Sign in with Microsoft")
	g.look("new.signin")
	g.press("Another server")
	g.sees("Test the connection", "Sign in with the provider instead")
	g.w.Found = []discover.Candidate{{Protocol: "imap", Host: "imap.mail.yahoo.com", Port: 993, Security: "tls", Username: "ann@yahoo.example", Source: "ispdb", Hint: yahoo},
		{Protocol: "pop3", Host: "pop.mail.yahoo.com", Port: 995, Security: "tls", Username: "ann@yahoo.example", Source: "ispdb"}}
	g.follow("Another address")
	g.fill("E-mail address", "ann@yahoo.example")
	g.follow("Find the server")
	g.press("Step by step")
	g.look("new.found")
	g.press("Another server")
	g.look("new.byhand")
	g.press("IMAP")
	g.w.Tried = probe.Result{Steps: append(went[:5:5], probe.Step{Name: "login", MS: 90, Code: "app_password_required", Detail: "imap.mail.yahoo.com wants an app password", Help: yahoo})}
	g.fill("Password", "not it")
	g.follow("Test the connection")
	g.look("new.refused")
	g.w.Tried = probe.Result{OK: true, Steps: went, Messages: new(int64(48_213)), Bytes: new(int64(6_500_000_000)), Folders: []probe.Folder{
		{Name: "INBOX", Selectable: true, Messages: new(int64(48_213)), Bytes: new(int64(6_500_000_000))}, {Name: "Sent", SpecialUse: `\Sent`, Selectable: true, Messages: new(int64(3_110)), Bytes: new(int64(900_000_000))},
		{Name: "Projects/2019/A rather long name of a folder within others", Selectable: true, Messages: new(int64(12)), Bytes: new(int64(34_000))}}}
	g.fill("Password", "it is")
	g.follow("Test the connection")
	g.look("new.mail")
	g.press("Connection test")
	g.fill("Name of the mailbox", " ")
	g.press("Only what has arrived")
	g.follow("Add the mailbox")
	g.look("new.wrong")
}

// box gives the person a mailbox in a state.
func (g *gallery) box(name, protocol, host string, s schedule.State) accounts.Mailbox {
	g.t.Helper()
	m, err := g.w.Accounts.EnsureMailbox(g.ctx, g.user, accounts.Mailbox{Name: name, Protocol: protocol, Host: host, Port: map[string]int{"imap": 993, "pop3": 995}[protocol],
		Security: "tls", Username: "ann@" + host, Password: vault.NewSecret("x"), AfterImport: "leave", History: "all"})
	if err != nil {
		g.t.Fatal(err)
	}
	g.w.Engine.Set(m.ID, s)
	return m
}

func (g *gallery) mailboxes() {
	g.enters("ann")
	g.allow(accounts.Active, gmailtest.ScopeInsert, gmailtest.ScopeLabels)
	now := time.Now()
	g.w.Used = 123_400_000
	refused := schedule.Reason{Code: "auth_failed", Detail: "imap.gmx.net refused the login", Help: discover.For("imap.gmx.net", "imap").Text}
	boxes := []accounts.Mailbox{
		g.box("university", "imap", "imap.uni.example", schedule.State{LastSync: now.Add(-3 * time.Minute), Until: now.Add(2 * time.Minute)}),
		g.box("old provider", "pop3", "pop.old.example", schedule.State{Phase: schedule.Waiting, LastSync: now.Add(-26 * time.Hour), Until: now.Add(5 * time.Hour),
			Reason:  schedule.Reason{Code: "budget", Detail: "what Gmail takes in a day is used up", Help: "nothing to do: it goes on by itself"},
			Backlog: schedule.Backlog{Messages: 48_213, Bytes: 6_500_000_000, ETA: now.Add(13 * 24 * time.Hour)}}),
		g.box("gmx", "imap", "imap.gmx.net", schedule.State{Phase: schedule.Failing, Reason: refused, LastSync: now.Add(-50 * time.Hour)}),
		g.box("the club’s mailbox, which has a rather long name", "imap", "mail.a-rather-long-name-of-a-host.club.example", schedule.State{Phase: schedule.Waiting, Until: now.Add(40 * time.Minute),
			Reason: schedule.Reason{Code: "unreachable", Detail: "no connection to mail.a-rather-long-name-of-a-host.club.example", Help: "nothing to do: it is tried again by itself"}}),
		g.box("syncing", "imap", "imap.syncing.example", schedule.State{Phase: schedule.Syncing}),
		g.box("holiday", "pop3", "pop.holiday.example", schedule.State{Phase: schedule.Paused, LastSync: now.Add(-100 * time.Hour)}),
		g.box("labels", "imap", "imap.labels.example", schedule.State{Phase: schedule.Failing, Reason: schedule.Reason{Code: "grant_scope_labels", Detail: "labels need one more permission from Google", Help: "connect Google again and leave every box ticked"}}),
	}
	g.w.Engine.Push(boxes[0].ID)
	statuses := []audit.Entry{{Status: mail.Imported}, {Status: mail.Imported}, {Status: mail.Skipped, Reason: "by_user"}, {Status: mail.Rejected, Reason: "gmail_too_large"}, {Status: mail.Doubtful, Reason: "session_expired"}, {Status: mail.Failed, Reason: "out_of_budget"}}
	for i := range 70 {
		e := statuses[i%len(statuses)]
		e.Mailbox, e.At, e.Domain, e.Size = boxes[i%3].ID, now.Add(-time.Duration(i*i)*time.Minute), fmt.Sprintf("sender%d.example", i%7), int64(1000*i*i)
		g.w.Books.Append(g.user, e)
	}
	g.open("/mailboxes")
	g.look("mailboxes.all")
	for i, state := range []string{"idle", "backlog", "failing", "waiting", "syncing", "paused", "permission"} {
		g.open("/mailboxes/" + boxes[i].ID.String())
		if i == 0 {
			g.press("Show as a table")
		}
		g.look("mailbox." + state)
	}
	g.open("/mailboxes/" + boxes[0].ID.String() + "?window=30d")
	g.look("mailbox.month")
	g.w.Tried = probe.Result{Steps: append(went[:1:1], probe.Step{Name: "connect", MS: 5000, Code: "unreachable", Detail: "no connection to imap.gmx.net:993", Help: "check the port; firewalls may be in the way"})}
	g.follow("Edit")
	g.look("edit")
	g.follow("Test")
	g.look("edit.failed")

	signedIn := g.box("outlook", "imap", "outlook.office365.com", schedule.State{Phase: schedule.Failing, Reason: schedule.Reason{Code: "consent_gone",
		Detail: "Microsoft does not let us into this mailbox any more", Help: "connect the mailbox with Microsoft again; nothing is imported twice"}})
	signedIn.Password, signedIn.Consent = vault.Secret{}, accounts.Consent{Provider: "microsoft", Refresh: vault.NewSecret("x")}
	if err := g.w.Accounts.UpdateMailbox(g.ctx, g.user, signedIn); err != nil {
		g.t.Fatal(err)
	}
	g.open("/mailboxes/" + signedIn.ID.String())
	g.look("mailbox.consent")
	g.follow("Connect again with the provider’s sign-in")
	g.look("connect")
	g.open("/mailboxes/" + signedIn.ID.String() + "/edit")
	g.seesNot("New password")
	g.look("edit.consent")
	g.open("/mailboxes/" + boxes[0].ID.String() + "/connect")
	g.look("connect.none")
}

func (g *gallery) audit() {
	g.open("/audit")
	g.look("audit.all")
	g.open("/audit?domain=nobody.example&status=refused")
	g.look("audit.nomatch")
	g.open("/audit?from=yesterday")
	g.look("error.bad")
	g.open("/why")
	g.look("why.form")
	g.open("/why?mailbox=&date=soon")
	g.look("why.wrong")
	boxes, err := g.w.Accounts.Mailboxes(g.ctx, g.user)
	if err != nil {
		g.t.Fatal(err)
	}
	g.w.Clues = []api.Clue{{Place: "schedule", Code: "scheduled", Detail: "the mailbox is looked at regularly"}, {Place: "listing", Code: "listed", Detail: "it was listed at " + time.Now().UTC().Format("2006-01-02 15:04 UTC")},
		{Place: "ledger", Code: "known", Detail: "70 messages are known, 12 of them refused"}, {Place: "gmail", Code: "gmail_too_large", Detail: "12 messages were larger than Gmail takes"}, {Place: "audit", Code: "lines", Detail: "the log has 12 lines of that day"}}
	g.open("/why?" + url.Values{"mailbox": {boxes[0].ID.String()}, "date": {time.Now().UTC().Format(time.DateOnly)}, "domain": {"sender0.example"}}.Encode())
	g.look("why.answer")
}

func (g *gallery) rules() {
	g.enters("rita")
	g.allow(accounts.Active, gmailtest.ScopeInsert, gmailtest.ScopeLabels)
	g.box("university", "imap", "imap.uni.example", schedule.State{})
	g.open("/rules")
	g.look("rules.empty")
	g.open("/rules/new?plugin=skip-domains")
	g.look("rule.new")
	g.fill("Domains (required)", "not a domain")
	g.follow("Save")
	g.look("rule.wrong")
	g.fill("Domains (required)", "shop.example")
	g.fill("Header section", "From: a@shop.example")
	g.follow("Try")
	g.look("rule.tried")
	g.follow("Save")
	g.open("/rules/new?plugin=label-by-domain")
	g.look("rule.labels")
	g.follow("Save")
	g.open("/rules")
	g.look("rules")
}

func (g *gallery) bring() {
	g.enters("ida")
	g.allow(accounts.Active, gmailtest.ScopeInsert)
	g.open("/mailboxes/import")
	g.look("import")
	g.follow("See what is in it")
	g.look("import.wrong")
	g.fill("The file", "poll mail.example proto imap user ann pass x ssl keep\npoll 10.0.0.1 proto imap user bob\npoll")
	g.follow("See what is in it")
	g.look("import.ready")
	g.follow("Make these 2")
	g.look("import.made")
}

func (g *gallery) settings() {
	g.open("/settings")
	g.look("settings")
	g.fill("Time zone", "Europe/Nowhere")
	g.follow("Save")
	g.look("settings.wrong")
	g.open("/settings")
	g.press("Make a token")
	g.follow("Make the token")
	g.look("settings.token.wrong")
	g.fill("What it is for", "backup script")
	g.follow("Make the token")
	g.look("settings.token")
	g.open("/lens")
	g.press("university")
	g.look("lens")
	g.open("/privacy")
	g.look("privacy")
	g.open("/api")
	g.look("api")
}

func (g *gallery) deletions() {
	boxes, err := g.w.Accounts.Mailboxes(g.ctx, g.user)
	if err != nil {
		g.t.Fatal(err)
	}
	g.open("/mailboxes/" + boxes[0].ID.String() + "/delete")
	g.look("wipe.mailbox")
	g.fill("To confirm, type", "something else")
	g.follow("Delete this mailbox")
	g.look("wipe.wrong")
	g.fill("To confirm, type", boxes[0].Name)
	g.follow("Delete this mailbox")
	g.look("receipt.mailbox")
	g.open("/settings/google/withdraw")
	g.look("wipe.grant")
	g.fill("To confirm, type", "ann@gmail.example")
	g.open("/settings/delete")
	g.look("wipe.account")
	g.fill("To confirm, type", "ann@gmail.example")
	g.follow("Delete everything")
	g.look("receipt.account")
}
