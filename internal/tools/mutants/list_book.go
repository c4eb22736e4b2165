package main

const book = "./internal/rulebook"

func init() { mutants = append(mutants, ofBook...) }

// ofBook are the protections of rules in the service: of what is uploaded, what
// is shown of it, and whose it is.
var ofBook = []mutant{
	{
		name: "upload-csrf", why: "a form with a file needs no token of its session",
		edits: in(auth, "	switch {\n	case session.CheckCSRF(c.who.cookie, given):", "	switch {\n	case c.route.file, session.CheckCSRF(c.who.cookie, given):"),
		pkg:   server, run: "AModuleIsUploadedWithAForm",
	},
	{
		name: "upload-off", why: "a module is taken where nobody's are",
		edits: in("internal/rulebook/plugin.go", "	if !b.uploads {", "	if false {"),
		pkg:   book, run: "WithoutUploads",
	},
	{
		name: "upload-runs", why: "a module runs where nobody's may",
		edits: in("internal/rulebook/chain.go", "if !ours && !b.uploads {", "if !ours && false {"),
		pkg:   book, run: "WithoutUploads",
	},
	{
		name: "missing-unsaid", why: "the audit does not say that a rule could not be made",
		edits: in("internal/rulebook/chain.go", "c.Missing = fault", "_ = c.Missing"),
		pkg:   book, run: "CannotBeMade",
	},
	{
		name: "any-authserv", why: "a header's word is believed whoever wrote it",
		edits: in("plugins/field/number.go", "if len(words) == 0 || !f.trusts(words[0]) {", "if len(words) == 0 {"),
		pkg:   book, run: "WhoIsTrusted",
	},
	{
		name: "no-authserv", why: "what a mailbox says about its servers does not reach its rules",
		edits: in("internal/rulebook/chain.go", ", Authserv: box.Authserv}", "}"),
		pkg:   book, run: "WhoIsTrusted",
	},
	{
		name: "room-for-all", why: "every request may send as much as a module has",
		edits: in("server/room.go", `&& (path == v1+"/plugins" || path == uploadForm) {`, `&& (path == v1+"/plugins" || path == uploadForm || true) {`),
		pkg:   server, run: "ModuleOf10MB",
	},
	{
		name: "no-room", why: "no module of more than 1 MiB can be uploaded",
		edits: in("server/room.go", `path == v1+"/plugins" ||`, ""),
		pkg:   server, run: "ModuleOf10MB",
	},
	{
		name: "plugin-markup", why: "what a plugin calls itself is part of the page",
		edits: []edit{
			{"server/page.go", `"octets": octets,`, `"octets": octets, "html": func(v any) string { s, _ := v.(string); return s },`},
			{"server/page.go", "	\"html/template\"\n", "	\"text/template\"\n"},
		},
		pkg: server, run: "CallsItself",
	},
	{
		name: "rule-outlives-mailbox", why: "a rule is still for a mailbox that was wiped",
		edits: in("internal/store/sqlite/wipemailbox.go", `{"rule_mailboxes", u.q.WipeRuleMailboxes}, `, ""),
		pkg:   "./internal/store/sqlite", run: "NeverForAMailbox",
	},
	{
		name: "try-any-mailbox", why: "a rule is tried on mail of somebody else",
		edits: in("server/tryrule.go", "	if errors.Is(err, account.ErrNone) {\n		return p, nil, api.Invalid(", "	if errors.Is(err, account.ErrNone) && false {\n		return p, nil, api.Invalid("),
		pkg:   server, run: "TriedOnTheNewest",
	},
	{
		name: "try-blind", why: "a mailbox is connected to for settings that are wrong",
		edits: in("server/tryrule.go", "config, box, nil); err != nil {", "config, box, nil); false {"),
		pkg:   server, run: "TriedOnTheNewest",
	},
	{
		name: "try-guesses", why: "trying a rule is a way to guess passwords",
		edits: in("internal/probe/probe.go", "	defer func() { done(guessed) }()", "	defer func() { done(guessed && told != nil) }()"),
		pkg:   probe, run: "LimitsAndWords",
	},
}
