package main

func init() { mutants = append(mutants, ofRules...) }

const aboutRules = "Verdict|Skip|Rule|Wants|Alone|Decides"

// ofRules are the protections of what rules say on its way into Gmail.
var ofRules = []mutant{
	{
		name: "verdict-unstored", why: "a claim does not say what the rules said",
		edits: in("internal/bridge/upload.go", "Verdict: t.verdict, ", ""),
		pkg:   bridge, run: aboutRules,
	},
	{
		name: "rules-twice", why: "rules are asked again when a message is read again",
		edits: in("internal/bridge/rules.go", "if !asked {", "if !asked || true {"),
		pkg:   bridge, run: aboutRules,
	},
	{
		name: "skip-after-claim", why: "a message is claimed before its rules skip it",
		edits: in("internal/bridge/transfer.go", "return t.skip(ctx)",
			"if err := t.claim(ctx); err != nil {\n\t\t\t\treturn err\n\t\t\t}\n\t\t\treturn t.settle(ctx, t.job, t.key, t.outcome(mail.Skipped, t.verdict.Reason))"),
		pkg: bridge, run: aboutRules,
	},
	{
		name: "rules-closed", why: "a message about which no rule could be asked is not imported",
		edits: in("internal/bridge/rules.go", "v = mail.Verdict{Reason: rulesFailed}", "v = mail.Verdict{Skip: true, Reason: rulesFailed}"),
		pkg:   bridge, run: aboutRules,
	},
	{
		name: "rules-cut-short", why: "a message is imported because its rules were interrupted",
		edits: in("internal/bridge/rules.go", "case err != nil && ctx.Err() != nil:", "case false:"),
		pkg:   bridge, run: aboutRules,
	},
	{
		name: "skip-reads-all", why: "large mail is fetched before its rules are asked",
		edits: in("internal/bridge/rules.go", "if j.ref.Size > window &&", "if false &&"),
		pkg:   bridge, run: aboutRules,
	},
	{
		name: "header-again", why: "a header that costs the connection is asked for again and again",
		edits: in("internal/bridge/rules.go", "!r.rules.failed && !r.rules.screened[j.id]", "!r.rules.failed"),
		pkg:   bridge, run: aboutRules,
	},
	{
		name: "headers-blind", why: "headers are asked for by themselves though that breaks the connection",
		edits: in("internal/bridge/rules.go", "!r.rules.failed && !r.rules.screened[j.id]", "!r.rules.screened[j.id]"),
		pkg:   bridge, run: aboutRules,
	},
	{
		name: "strangers-label", why: "a label that Gmail does not take, named by a header, ends the pass",
		edits: in("internal/bridge/label.go", "t.verdict.Reason = rulesFailed + \":label\"\n\t\t\tcontinue", "t.verdict.Reason = rulesFailed + \":label\""),
		pkg:   bridge, run: aboutRules,
	},
	{
		name: "unwanted", why: "a rule skips what its user wants",
		edits: in("internal/bridge/rules.go", "if v.Skip && t.wanted() {", "if false {"),
		pkg:   bridge, run: aboutRules,
	},
	{
		name: "claim-kept", why: "a claim stays with the message of a round that broke",
		edits: in("internal/bridge/queue.go", "\t\tc.taken = false\n", "\t\t_ = c\n"),
		pkg:   bridge, run: "OldID",
	},
	{
		name: "claim-unclear", why: "a pass goes on though a claim may be written that it does not know",
		edits: in("internal/bridge/recover.go", "if !unclear {", "if !unclear || true {"),
		pkg:   bridge, run: "LookedFor",
	},
	{
		name: "sim-rules-again", why: "rules are asked again for a claimed message",
		edits: in("internal/bridge/transfer.go", "if t.up == nil {\n\t\tif err := t.decide", "if true {\n\t\tif err := t.decide"),
		pkg:   sim, run: simulation, seeds: 20,
	},
	{
		name: "sim-verdict-unstored", why: "a claim does not say what the rules said",
		edits: in("internal/bridge/upload.go", "Verdict: t.verdict, ", ""),
		pkg:   sim, run: simulation, seeds: 20,
	},
	{
		name: "sim-skip-deleted", why: "what a rule skips is deleted at its source",
		edits: in("internal/bridge/rules.go", "return t.record(ctx, t.job, t.key, t.outcome(mail.Skipped, t.verdict.Reason))",
			"t.imported(t.session, t.key, t.job.ref)\n\treturn t.record(ctx, t.job, t.key, t.outcome(mail.Skipped, t.verdict.Reason))"),
		pkg: sim, run: simulation, seeds: 20,
	},
}
