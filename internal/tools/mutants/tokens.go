package main

const (
	keeper  = "internal/oauth/keeper.go"
	consent = "internal/oauth/consent.go"
	connect = "server/connect.go"
)

// tokenMutants are the protections of mailboxes that are opened with tokens.
var tokenMutants = []mutant{
	{
		name: "many-refreshes", why: "each who waits for a token refreshes it himself",
		edits: in(keeper, "if f := k.flights[box]; f != nil {", "if f := k.flights[box]; f != nil && false {"),
		pkg:   oauth, run: "ManyPassesWait",
	},
	{
		name: "refresh-not-kept", why: "a refresh token that took the place of another is forgotten",
		edits: in(keeper, "kept, err := k.shelf.KeepConsent(ctx, user, box, c.Refresh, next)", "kept, err := true, error(nil)"),
		pkg:   oauth, run: "ATokenIsKept",
	},
	{
		name: "refresh-given-up", why: "a refresh ends with those who wait for it",
		edits: in(keeper, "context.WithTimeout(context.WithoutCancel(ctx), flightTime)", "context.WithTimeout(ctx, flightTime)"),
		pkg:   oauth, run: "OutlivesThoseWhoWait",
	},
	{
		name: "stale-token", why: "a token that the server refused is given again",
		edits: in(keeper, "(stale.Empty() || !c.Access.Equal(stale))", "true"),
		pkg:   oauth, run: "ATokenIsKept",
	},
	{
		name: "late-refresh-memory", why: "a refresh undoes a consent that was given meanwhile",
		edits: in("internal/account/memory.go", "p.boxes[i].Consent.Refresh.Equal(was)", "true"),
		pkg:   oauth, run: "NotUndone",
	},
	{
		name: "late-refresh", why: "the same in the store",
		edits: in("internal/store/sqlite/consent.go", "if err != nil || !is.Refresh.Equal(was) {", "if err != nil || is.Provider == \"\" {"),
		pkg:   store, run: "TestAccounts",
	},
	{
		name: "any-provider-state", why: "an answer to another visit is taken",
		edits: in(consent, "case !equal(back.state, v.State):", "case false:"),
		pkg:   oauth, run: "ForeignAnswers",
	},
	{
		name: "provider-state-again", why: "an answer of a provider is taken twice",
		edits: in(consent, "case !c.used.take(v.State):", "case !c.used.take(v.State) && false:"),
		pkg:   oauth, run: "ForeignAnswers",
	},
	{
		name: "no-provider-pkce", why: "a code is of use without the verifier of its visit",
		edits: in(consent, "code, oauth2.VerifierOption(v.Verifier))", "code)"),
		pkg:   oauth, run: "OpensTheMailbox",
	},
	{
		name: "any-scope-of-mail", why: "a consent without the mail is taken",
		edits: in(consent, "case !c.opens(scopesOf(t), v.Protocol):", "case false:"),
		pkg:   oauth, run: "SaidInWords",
	},
	{
		name: "another-session", why: "a visit is of use to another session of the person",
		edits: []edit{
			{connect, "s.sealed.seal(b, sealTrip, c.who.user.String(), c.who.session.ID.String())", "s.sealed.seal(b, sealTrip, c.who.user.String())"},
			{connect, "s.sealed.open(c.Cookies(s.trip), sealTrip, c.who.user.String(), c.who.session.ID.String())", "s.sealed.open(c.Cookies(s.trip), sealTrip, c.who.user.String())"},
		},
		pkg: server, run: "BoundToItsSession",
	},
	{
		name: "tokens-anywhere", why: "the tokens of a form open for another protocol or provider",
		edits: in(connect, "return append(d.of(c, sealConsent), d.Provider, d.Protocol)", "return d.of(c, sealConsent)"),
		pkg:   server, run: "TheirOwnServerAlone",
	},
	{
		name: "one-login", why: "a token that ended early is a refused login over IMAP",
		edits: in("internal/source/imap/session.go", "if err == nil || cfg.Token == nil || !sasl.IsStale(err) {", "if err == nil || true || !sasl.IsStale(err) {"),
		pkg:   "./internal/source/imap", run: "ReplacedOnce",
	},
	{
		name: "password-kept", why: "a password stays beside the consent that took its place",
		edits: in("internal/store/sqlite/consent.go", "if err := u.q.ForgetPassword(ctx, m.ID[:]); err != nil {", "if err := ctx.Err(); err != nil {"),
		pkg:   store, run: "TestAccounts|Replaced",
	},
}
