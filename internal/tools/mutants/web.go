package main

const (
	server = "./server"
	oauth  = "./internal/oauth"
	probe  = "./internal/probe"
	limits = "server/limits.go"
	auth   = "server/auth.go"
	visits = "internal/oauth/visits.go"
)

// webMutants are the protections of what anybody can send to the service.
var webMutants = []mutant{
	{
		name: "no-csrf", why: "a browser's request needs no token of its session",
		edits: in(auth, "case session.CheckCSRF(c.who.cookie, given):", "case session.CheckCSRF(c.who.cookie, given) || true:"),
		pkg:   server, run: "AnUnsafeRequest",
	},
	{
		name: "any-origin", why: "another site's page may send with the person's cookie",
		edits: []edit{
			{auth, `origin != "" && origin != c.s.origin {`, `origin != "" && false {`},
			{auth, `site != "same-origin" && site != "none" {`, `false {`},
		},
		pkg: server, run: "AnUnsafeRequest",
	},
	{
		name: "any-scope", why: "a token may do what it has no scope for",
		edits: in(auth, "case !c.may(c.route.scope):", "case false:"),
		pkg:   server, run: "WithoutTheScope",
	},
	{
		name: "any-state", why: "an answer of Google to another browser is taken",
		edits: in(visits, "if !equal(back.state, flow.State) {", "if false {"),
		pkg:   oauth, run: "AnotherVisit|Forged",
	},
	{
		name: "state-again", why: "an answer of Google is taken twice",
		edits: in(visits, "if !v.used.take(flow.State) {", "if !v.used.take(flow.State) && false {"),
		pkg:   oauth, run: "GoodOnce",
	},
	{
		name: "any-account", why: "access to another Google account is taken for this one's",
		edits: in(visits, "if !equal(v.person(g.Sub), flow.Ask.Person) {", "if false {"),
		pkg:   oauth, run: "AnotherAccount",
	},
	{
		name: "fixed-session", why: "the cookie from before the sign-in stays good",
		edits: in("server/signin.go", "client, vault.NewSecret(c.Cookies(s.cookie)))", "client, vault.Secret{})"),
		pkg:   server, run: "FromBeforeTheSignIn",
	},
	{
		name: "any-mailbox", why: "the engine works on somebody else's mailbox",
		edits: in("server/work.go", "if _, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, box); err != nil {", "if _, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, box); err != nil && box == (id.Mailbox{}) {"),
		pkg:   server, run: "SomebodyElses",
	},
	{
		name: "any-filter", why: "the audit of somebody else's mailbox is an empty list instead of not found",
		edits: in("server/audit.go", "if _, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, f.Mailbox); err != nil {", "if _, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, f.Mailbox); err != nil && f.Mailbox == (id.Mailbox{}) {"),
		pkg:   server, run: "SomebodyElses",
	},
	{
		name: "any-cursor", why: "a cursor that was tampered with, or is another's, is followed",
		edits: in("server/sign.go", "if !hmac.Equal(b[:markSize],", "if false && !hmac.Equal(b[:markSize],"),
		pkg:   server, run: "ListsComeInPages",
	},
	{
		name: "fields-twice", why: "of a field that is there twice the last counts",
		edits: in("server/strictjson/strictjson.go", "if seen[name] {", "if seen[name] && false {"),
		pkg:   server, run: "NoJSON",
	},
	{
		name: "unknown-fields", why: "a field with a typing error is passed over",
		edits: in("server/strictjson/strictjson.go", "if !known {", "if !known && false {"),
		pkg:   server, run: "BadDefinitions",
	},
	{
		name: "unknown-parameters", why: "a filter with a typing error answers with everything",
		edits: in("server/call.go", "case !found:", "case false && !found:"),
		pkg:   server, run: "ParametersAreChecked",
	},
	{
		name: "large-bodies", why: "a body of 2 MB is read",
		edits: in("server/room.go", "const bodyLimit = 1 << 20", "const bodyLimit = 8 << 20"),
		pkg:   server, run: "TwoMegabytes",
	},
	{
		name: "unpacked-bodies", why: "a small body unpacks to a large one",
		edits: in("server/service.go", "s.behindProxy, s.asItIs)", "s.behindProxy)"),
		pkg:   server, run: "BodiesThatUnpack",
	},
	{
		name: "no-rate", why: "nobody is held back",
		edits: in(limits, "if v.OK {", `if v.OK || kind != "" {`),
		pkg:   server, run: "Greedy|Strangers|WrongTokens",
	},
	{
		name: "any-proxy", why: "whoever names another address is believed",
		edits: in(limits, "i >= 0 && s.trusted(remote); i--", "i >= 0; i--"),
		pkg:   server, run: "Strangers",
	},
	{
		name: "markup", why: "what others wrote is part of the page",
		edits: []edit{
			{"server/page.go", `"octets": octets,`, `"octets": octets, "html": func(v any) string { s, _ := v.(string); return s },`},
			{"server/page.go", "	\"html/template\"\n", "	\"text/template\"\n"},
		},
		pkg: server, run: "EveryPageIsSound",
	},
	{
		name: "inner-errors", why: "an error that nobody chose to show is shown",
		edits: in("server/fail.go", `Code: "internal", Detail: "something went wrong here",`, `Code: "internal", Detail: err.Error(),`),
		pkg:   server, run: "NothingElseIs",
	},
	{
		name: "no-floor", why: "a closed port is told at once",
		edits: in("internal/probe/record.go", "if r.early() {", "if false && r.early() {"),
		pkg:   probe, run: "Floor|LookTheSame",
	},
	{
		name: "all-codes", why: "a connection test says which of our rules an address has met",
		edits: in("internal/probe/public.go", `s.Name, s.Code, s.Detail = "dns", unreachable, box.Host+`, `s.Name, s.Code, s.Detail = "dns", f.Code, box.Host+`),
		pkg:   probe, run: "FourCodes|LookTheSame",
	},
	{
		name: "free-guesses", why: "a failed login of a connection test is not counted",
		edits: in("internal/probe/probe.go", "defer func() { done(guessed) }()", "defer func() { done(guessed && false) }()"),
		pkg:   probe, run: "GuessesAreCounted",
	},
}
