package main

import "slices"

const (
	bridge = "./internal/bridge"
	led    = "./internal/ledger"
	sim    = "./internal/sim"

	simulation = "TestSimulation"
	store      = "./internal/store/sqlite"
	jobs       = "./internal/jobs"
	vault      = "./internal/vault"

	fence = "if b.o.epoch != b.o.m.epoch {"
	taken = "} else if r.State != Failed {"
	alive = "if r := b.rows[k]; r != nil && r.State == Claimed {"
)

func in(file, old, new string) []edit { return []edit{{file, old, new}} }

// mutants are all of them.
var mutants = slices.Concat(onceMutants, webMutants, tokenMutants)

// onceMutants are the protections of exactly-once, of the wipes and of the jobs.
var onceMutants = []mutant{
	{
		name: "no-compare-and-set", why: "a taken-over process writes blindly: no state is looked at, no epoch",
		edits: []edit{
			{"internal/ledger/memory.go", taken, "} else if false {"},
			{"internal/ledger/memory.go", alive, "if r := b.rows[k]; r != nil {"},
			{"internal/ledger/memory.go", fence, "if false {"},
		},
		pkg: bridge, run: "Zombie",
	},
	{
		name: "no-fence", why: "a process that was taken over goes on writing",
		edits: in("internal/ledger/memory.go", fence, "if false {"),
		pkg:   bridge, run: "Fenced",
	},
	{
		name: "no-session-recovery", why: "a claim found at start-up gets a session of its own",
		edits: in("internal/bridge/recover.go",
			"a, err := r.query(ctx, turn{}, left, -1)",
			"var a mail.Answer\n\t\tvar err error\n\t\tleft.Session, err = r.Gmail.Open(ctx, mail.Upload{Size: -1})"),
		pkg: bridge, run: "Killed|Histories|Zombie",
	},
	{
		name: "no-recheck", why: "the source is touched by id alone",
		edits: in("internal/bridge/dispose.go", "case e.Content != content:", "case false:"),
		pkg:   bridge, run: "Rechecked",
	},
	{
		name: "late-claim", why: "the session's URI is remembered after the octets are sent",
		edits: []edit{
			{
				"internal/bridge/upload.go",
				"if err := t.at(StepClaim, func() error { return t.Ledger.Claim(ctx, c) }); err != nil {",
				"if err := error(nil); err != nil {",
			},
			{
				"internal/bridge/transfer.go",
				"if err := t.settle(ctx, t.job, t.key, t.outcome(mail.Imported, t.verdict.Reason)); err != nil {",
				"_ = t.Ledger.Claim(ctx, t.up.Claim)\n\tif err := t.settle(ctx, t.job, t.key, t.outcome(mail.Imported, t.verdict.Reason)); err != nil {",
			},
		},
		pkg: bridge, run: "Killed",
	},
	{
		name: "fresh-session", why: "a session that no longer answers is replaced although its outcome is unknown",
		edits: in("internal/bridge/upload.go", "case t.up.unsure:", "case false:"),
		pkg:   bridge, run: "Expires",
	},
	{
		name: "delete-before-upload", why: "the source policy does not wait for Gmail and the ledger",
		edits: in("internal/bridge/transfer.go",
			"if rest == nil {\n\t\treturn t.sendWhole",
			"t.imported(t.session, t.key, t.job.ref)\n\tif rest == nil {\n\t\treturn t.sendWhole"),
		pkg: bridge, run: "Killed|Histories|Zombie",
	},
	{
		name: "no-octet-compare", why: "an upload is resumed with other octets",
		edits: in("internal/bridge/stream.go", "return (*m.marks)[i] == cp", "return true"),
		pkg:   bridge, run: "Resumed",
	},
	{
		name: "id-alone", why: "an id that was absent and is back counts as known",
		edits: []edit{
			{"internal/bridge/plan.go", "|| back(entries) ||", "||"},
			{"internal/bridge/plan.go", "case c.content == nil && e.Absent, c.content", "case c.content"},
		},
		pkg: bridge, run: "Reused",
	},
	{
		name: "no-content-compare", why: "a new UIDVALIDITY is not compared by content",
		edits: in("internal/bridge/transfer.go",
			"t.movedFrom(identity{t.key.Content, t.strong}); ok {", "t.movedFrom(identity{t.key.Content, t.strong}); ok && false {"),
		pkg: bridge, run: "UIDVALIDITY|Renumbered",
	},
	{
		name: "forgotten-deletion", why: "a message that we deleted is taken for one that has moved",
		edits: in("internal/bridge/dispose.go", "if err := r.gone(ctx, ids); err != nil {", "if err := r.gone(ctx, nil); err != nil {"),
		pkg:   bridge, run: "Equal|Deleted|Twin",
	},
	{
		name: "verdict-again", why: "rules are asked again for a claimed message",
		edits: in("internal/bridge/transfer.go", "if t.up == nil {\n\t\tif err := t.decide", "if true {\n\t\tif err := t.decide"),
		pkg:   bridge, run: "Verdict",
	},
	// Those that the simulation must find by itself.
	{
		name: "hidden-twin", why: "a message without id is deleted though one without header may be its equal",
		edits: in("internal/bridge/plan.go", "(l.blind || l.missing[k.key.Content])", "l.missing[k.key.Content]"),
		pkg:   bridge, run: "Twin",
	},
	{
		name: "missing-twin", why: "a message without id is deleted though an equal one is not in Gmail",
		edits: in("internal/bridge/plan.go", "(l.blind || l.missing[k.key.Content])", "l.blind"),
		pkg:   bridge, run: "Twin",
	},
	{
		name: "sim-no-compare-and-set", why: "claims and outcomes are written whatever the entry says",
		edits: []edit{
			{"internal/ledger/memory.go", taken, "} else if false {"},
			{"internal/ledger/memory.go", alive, "if r := b.rows[k]; r != nil {"},
		},
		pkg: sim, run: simulation, seeds: 60,
	},
	{
		name: "sim-settle-early", why: "a message is settled as imported before Gmail has answered",
		edits: []edit{
			{
				"internal/bridge/transfer.go", "if rest == nil {\n\t\treturn t.sendWhole",
				"if err := t.settle(ctx, t.job, t.key, t.outcome(mail.Imported, t.verdict.Reason)); err != nil {\n\t\treturn err\n\t}\n\tif rest == nil {\n\t\treturn t.sendWhole",
			},
			{"internal/bridge/transfer.go", "if err := t.settle(ctx, t.job, t.key, t.outcome(mail.Imported, t.verdict.Reason)); err != nil {\n\t\treturn err\n\t}\n\tt.gate", "t.gate"},
		},
		pkg: sim, run: simulation, seeds: 20,
	},
	{
		name: "sim-no-fence", why: "a process that was taken over goes on writing",
		edits: in("internal/ledger/memory.go", fence, "if false {"),
		pkg:   sim, run: simulation, seeds: 20,
	},
	{
		name: "sim-delete-before-settle", why: "the source is told to delete what the ledger does not have as imported",
		edits: in("internal/bridge/transfer.go",
			"if err := t.settle(ctx, t.job, t.key, t.outcome(mail.Imported, t.verdict.Reason)); err != nil {",
			"if t.AfterImport == Delete {\n\t\t_ = t.session.Delete(ctx, []mail.Ref{t.job.ref})\n\t}\n"+
				"\tif err := t.settle(ctx, t.job, t.key, t.outcome(mail.Imported, t.verdict.Reason)); err != nil {"),
		pkg: sim, run: simulation, seeds: 20,
	},
	{
		name: "sim-delete-before-upload", why: "the source policy does not wait for Gmail",
		edits: in("internal/bridge/transfer.go",
			"if rest == nil {\n\t\treturn t.sendWhole",
			"t.imported(t.session, t.key, t.job.ref)\n\tif rest == nil {\n\t\treturn t.sendWhole"),
		pkg: sim, run: simulation, seeds: 20,
	},
	{
		// Two places see to it, each with a test of its own: both go.
		name: "sim-digest-of-failure", why: "the digest is kept after a pass that failed",
		edits: []edit{
			{"internal/bridge/run.go", "if err == nil && rep.Failed == 0 &&", "if rep.Failed == 0 &&"},
			{"internal/schedule/policy.go", "\ts.Digest, s.Backlog = mail.Key{}, backlog(s, o)", "\ts.Digest, s.Backlog = o.Digest, backlog(s, o)"},
			{"internal/schedule/policy.go", "\to.Digest, o.Backlog = mail.Key{}, backlog(s, o)", "\to.Backlog = backlog(s, o)"},
		},
		pkg: sim, run: simulation, seeds: 60,
	},
	{
		name: "user-key-kept", why: "a wipe of a user leaves the key",
		edits: in("internal/store/sqlite/wipeuser.go", "if err := s.keys.DestroyUser(ctx, w.user); err != nil {", "if err := ctx.Err(); err != nil {"),
		pkg:   store, run: "Noise",
	},
	{
		name: "salt-kept", why: "a wipe of a mailbox leaves the salt",
		edits: in("internal/store/sqlite/wipemailbox.go", "if err := s.keys.DestroySalt(ctx, w.user, w.box); err != nil {", "if err := ctx.Err(); err != nil {"),
		pkg:   store, run: "Noise",
	},
	{
		name: "postgres-key-kept", why: "a key store in Postgres keeps what is destroyed",
		edits: in("internal/vault/pgshelf/shelf.go", "_, err := s.write(ctx, sqlDestroy, name)", "err := ctx.Err()"),
		pkg:   store, run: "KeysInPostgres",
	},
	{
		name: "absent-is-wiped", why: "a key store that cannot be reached passes for one without the key",
		edits: []edit{
			{"internal/vault/pgshelf/fault.go", "case err == fs.ErrNotExist:", "case errors.Is(err, fs.ErrNotExist):"},
		},
		pkg: "./internal/vault/pgshelf", run: "CheckedServers",
	},
	{
		name: "no-second-look", why: "a process that began before a rotation does not look for the new master key",
		edits: in("internal/vault/rotation.go", "if ok && !s.masters.Load().has(under) {", "if ok && under == (keyID{}) {"),
		pkg:   vault, run: "NewerMasterKey|RotationUnderLoad",
	},
	{
		name: "one-pass", why: "a rotation leaves out who came meanwhile",
		edits: in("internal/vault/rotation.go", "if n == 0 { // a whole", "if n >= 0 { // a whole"),
		pkg:   vault, run: "CameMeanwhile",
	},
	{
		name: "order-first", why: "a rotation that is killed in the middle is forgotten",
		edits: in("internal/vault/rotation.go", "		for {\n			n, err := s.Rewrap(ctx)", "		_ = s.shelf.Destroy(ctx, rotationName)\n		for {\n			n, err := s.Rewrap(ctx)"),
		pkg:   vault, run: "RotationUnderLoad",
	},
	{
		name: "strange-master", why: "a process wraps under a master key that it will not have after its next start",
		edits: in("internal/vault/rotation.go", "if err := s.ready(to); err != nil {", "if err := ctx.Err(); err != nil {"),
		pkg:   vault, run: "OrderedDoneAndForgotten",
	},
	{
		name: "no-directory-lock", why: "two processes change one record of a directory at a time",
		edits: in("internal/vault/dir.go", "defer d.mu.Unlock()\n\tunlock, err := lockFile(d.path)", "defer d.mu.Unlock()\n\tunlock, err := func() error { return nil }, error(nil)"),
		pkg:   vault, run: "TwoProcesses",
	},
	{
		name: "page-key-kept", why: "a wipe of a mailbox leaves the key under which copies of its rows are",
		edits: in("internal/store/sqlite/turn.go", "return s.keys.DropPage(ctx, user)", "return nil"),
		pkg:   store, run: "Noise",
	},
	{
		name: "pages-kept", why: "what is deleted stays on pages that are free",
		edits: in("internal/store/sqlite/database.go", "PRAGMA secure_delete = ON;", "PRAGMA secure_delete = OFF;"),
		pkg:   store, run: "Wiped|Replaced",
	},
	{
		name: "wal-kept", why: "what is deleted stays in the WAL",
		edits: in("internal/store/sqlite/wipe.go", "sqlite3.CHECKPOINT_TRUNCATE", "sqlite3.CHECKPOINT_PASSIVE"),
		pkg:   store, run: "Wiped|Replaced",
	},
	{
		name: "log-kept", why: "audit lines stay when their time is over",
		edits: in("internal/store/sqlite/sweep.go", "if _, err := u.dropAudit(ctx, before); err != nil {", "if err := ctx.Err(); err != nil {"),
		pkg:   jobs, run: "AsLongAsWasSaid",
	},
	{
		name: "errand-key-kept", why: "what Google was told leaves its key",
		edits: in("internal/store/sqlite/errand.go", "if err := s.keys.DestroyErrand(ctx, e.Receipt, e.What); err != nil {", "if err := ctx.Err(); err != nil || e.What == \"\" {"),
		pkg:   store, run: "ErrandKey",
	},
	{
		name: "wipe-forgotten", why: "a wipe that a crash interrupted is not finished",
		edits: in("internal/store/sqlite/wipe.go", "for _, b := range begun {", "for _, b := range begun[:0] {"),
		pkg:   store, run: "FinishedAfterACrash",
	},
	{
		name: "late-errand", why: "that Google is to be told is noted after the token is gone",
		edits: in("internal/store/sqlite/grant.go", "	g, err := s.Grant(ctx, w.user)\n	switch {", "	_, err := s.dropGrant(ctx, w.user, vault.Secret{})\n	if err != nil {\n		return account.Receipt{}, err\n	}\n	g, err := s.Grant(ctx, w.user)\n	switch {"),
		pkg:   store, run: "TestAWipeOfAGrant",
	},
	{
		name: "jti-again", why: "a delivery that comes again is taken again",
		edits: in("internal/store/sqlite/signal.go", "if first = n == 1; err != nil || !first {", "if first = n <= 1; err != nil || !first {"),
		pkg:   store, run: "SignalIsTakenOnce",
	},
	{
		name: "any-token", why: "a name that an earlier token had finds its user",
		edits: in("internal/store/sqlite/signal.go", "		if holds {", "		if holds || true {"),
		pkg:   store, run: "TokenIsFound",
	},
	{
		name: "stuck-job", why: "what ran when the process died waits for the queue's own rescue",
		edits: in("internal/jobs/queue.go", "SET state = 'available' WHERE", "SET state = 'available' WHERE 1 = 0 AND"),
		pkg:   jobs, run: "SurvivesACrash",
	},
	{
		name: "any-grant", why: "an event about an earlier grant destroys the one of now",
		edits: in("internal/jobs/work.go", "if err != nil || e.Before(a.GrantedAt) {", "if err != nil || a.Status == \"\" {"),
		pkg:   jobs, run: "WhatEachEvent",
	},
}
