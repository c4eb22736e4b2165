package server

import (
	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/openapi"
)

// table is every route there is.
func (s *Service) table() []*route {
	var all []*route
	for _, part := range [][]*route{s.accountRoutes(), s.mailboxRoutes(), s.auditRoutes(), s.decisionRoutes(), s.ruleRoutes(), s.billingRoutes(), s.serviceRoutes(), s.hookRoutes(), s.signInRoutes(), s.pageRoutes(), s.awayRoutes()} {
		all = append(all, part...)
	}
	return all
}

const v1 = "/api/v1"

func (s *Service) accountRoutes() []*route {
	return []*route{
		{method: "GET", path: v1 + "/session", id: "getSession", tag: "account", summary: "The CSRF token of this session", access: person, rate: reads,
			answers: []openapi.Answer{answer[api.Session](200, "The token.")}, do: plain(s.getSession)},
		{method: "GET", path: v1 + "/me", id: "getMe", tag: "account", summary: "Who I am, and what Google allows", access: personal, rate: reads,
			answers: []openapi.Answer{answer[api.Me](200, "You.")}, do: plain(s.getMe)},
		{method: "PATCH", path: v1 + "/me", id: "patchMe", tag: "account", summary: "Change my settings", access: personal, scope: "account:write", rate: writes,
			answers: []openapi.Answer{answer[api.Me](200, "You, as you are now.")}, do: reading(s.patchMe)},
		{method: "DELETE", path: v1 + "/me", id: "deleteMe", tag: "account", summary: "Wipe everything about me", access: personal, scope: "account:write", rate: writes,
			doc:     "At once and for good: mailboxes, passwords, Google access, ledger and audit. What has been imported stays in Gmail.",
			answers: []openapi.Answer{answer[api.Wiped](200, "What was destroyed.")}, do: plain(s.deleteMe)},
		{method: "DELETE", path: v1 + "/grant", id: "deleteGrant", tag: "account", summary: "Revoke access to Google", access: personal, scope: "account:write", rate: writes,
			doc:     "Tokens and everything that came from Google are destroyed. The ledger stays: who connects again gets nothing twice.",
			answers: []openapi.Answer{answer[api.Wiped](200, "What was destroyed.")}, do: plain(s.deleteGrant)},
		{method: "POST", path: v1 + "/tokens", id: "createToken", tag: "account", summary: "Make an API token", access: personal, scope: "account:write", rate: writes,
			answers: []openapi.Answer{answer[api.TokenMade](201, "The token, shown this once.", "Location")}, do: reading(s.createToken), replay: s.replayToken},
		{method: "GET", path: v1 + "/tokens", id: "listTokens", tag: "account", summary: "My API tokens", access: personal, scope: "account:write", rate: reads,
			params: paging(), answers: []openapi.Answer{answer[api.Tokens](200, "A page, newest first.")}, do: plain(s.listTokens)},
		{method: "DELETE", path: v1 + "/tokens/{id}", id: "deleteToken", tag: "account", summary: "End an API token", access: personal, scope: "account:write", rate: writes,
			answers: []openapi.Answer{bare(204, "It is of no use any more.")}, do: plain(s.deleteToken)},
		{method: "GET", path: v1 + "/sessions", id: "listSessions", tag: "account", summary: "Where I am signed in", access: personal, scope: "account:write", rate: reads,
			params: paging(), answers: []openapi.Answer{answer[api.Sessions](200, "A page, the one used last first.")}, do: plain(s.listSessions)},
		{method: "DELETE", path: v1 + "/sessions/{id}", id: "deleteSession", tag: "account", summary: "Sign out somewhere", access: personal, scope: "account:write", rate: writes,
			answers: []openapi.Answer{bare(204, "It has ended.")}, do: plain(s.deleteSession)},
		{method: "GET", path: v1 + "/export", id: "export", tag: "account", summary: "Everything that is held about me", access: personal, scope: "account:write", rate: streams,
			answers: []openapi.Answer{answer[api.Export](200, "All of it, decrypted.")}, do: plain(s.export)},
		{method: "GET", path: v1 + "/receipts/{id}", id: "getReceipt", tag: "account", summary: "The receipt of a wipe", access: anybody, rate: reads,
			doc:     "Nobody needs to sign in: the id cannot be guessed.",
			answers: []openapi.Answer{answer[api.Receipt](200, "The receipt.")}, do: plain(s.getReceipt)},
	}
}

func (s *Service) mailboxRoutes() []*route {
	const read, write = "mailboxes:read", "mailboxes:write"
	one := v1 + "/mailboxes/{id}"
	etag := "ETag"
	ifMatch := []openapi.Param{{Name: "If-Match", In: "header", Doc: "The ETag of what you have read.", Schema: openapi.Schema{Type: "string"}}}
	return []*route{
		{method: "GET", path: v1 + "/discover", id: "discover", tag: "mailboxes", summary: "Find the servers of an address", access: personal, scope: write, rate: probes,
			params:  []openapi.Param{required(query("address", "Like name@example.com."))},
			answers: []openapi.Answer{answer[[]api.Candidate](200, "Ways that may lead there, the best first.")}, do: plain(s.discover)},
		{method: "POST", path: v1 + "/mailboxes/test", id: "testMailbox", tag: "mailboxes", summary: "Try a connection step by step", access: personal, scope: write, rate: probes,
			answers: []openapi.Answer{answer[api.Trial](200, "What each step found. Whether it worked is in ok.")}, do: reading(s.testMailbox)},
		{method: "POST", path: v1 + "/mailboxes", id: "createMailbox", tag: "mailboxes", summary: "Add a mailbox", access: personal, scope: write, rate: writes,
			answers: []openapi.Answer{answer[api.Mailbox](201, "The mailbox. Nothing has been connected to yet.", "Location", etag)}, do: reading(s.createMailbox), replay: s.replayMailbox},
		{method: "POST", path: v1 + "/mailboxes/import", id: "importMailboxes", tag: "mailboxes", summary: "Bring mailboxes of another program", access: personal, scope: write, rate: probes,
			doc: "The configuration of fetchmail, getmail, mbsync, InboxBridge or Turbogmailify, sync jobs of mailcow, or a table (CSV). " +
				"Each is made or refused by itself, nothing is connected to, and doing it again makes nothing twice.",
			answers: []openapi.Answer{answer[api.MailboxesImported](200, "What became of each line.")}, do: reading(s.importMailboxes)},
		{method: "GET", path: v1 + "/mailboxes", id: "listMailboxes", tag: "mailboxes", summary: "My mailboxes", access: personal, scope: read, rate: reads,
			params: paging(), answers: []openapi.Answer{answer[api.Mailboxes](200, "A page, in the order of their making.")}, do: plain(s.listMailboxes)},
		{method: "GET", path: one, id: "getMailbox", tag: "mailboxes", summary: "One mailbox", access: personal, scope: read, rate: reads,
			answers: []openapi.Answer{answer[api.Mailbox](200, "The mailbox.", etag)}, do: plain(s.getMailbox)},
		{method: "PATCH", path: one, id: "patchMailbox", tag: "mailboxes", summary: "Change a mailbox", access: personal, scope: write, rate: writes, params: ifMatch,
			answers: []openapi.Answer{answer[api.Mailbox](200, "The mailbox as it is now.", etag)}, do: reading(s.patchMailbox)},
		{method: "DELETE", path: one, id: "deleteMailbox", tag: "mailboxes", summary: "Wipe a mailbox", access: personal, scope: write, rate: writes, params: ifMatch,
			doc:     "Its password, ledger and audit. Added again, it may import old mail twice.",
			answers: []openapi.Answer{answer[api.Wiped](200, "What was destroyed.")}, do: plain(s.deleteMailbox)},
		{method: "POST", path: one + "/sync", id: "syncMailbox", tag: "mailboxes", summary: "Look for mail now", access: personal, scope: write, rate: writes,
			answers: []openapi.Answer{answer[api.Mailbox](202, "It is being looked at.", etag)}, do: plain(s.syncMailbox), replay: s.replayAct},
		{method: "POST", path: one + "/pause", id: "pauseMailbox", tag: "mailboxes", summary: "Stop for now", access: personal, scope: write, rate: writes,
			answers: []openapi.Answer{answer[api.Mailbox](200, "It is paused.", etag)}, do: plain(s.pauseMailbox), replay: s.replayAct},
		{method: "POST", path: one + "/resume", id: "resumeMailbox", tag: "mailboxes", summary: "Go on", access: personal, scope: write, rate: writes,
			answers: []openapi.Answer{answer[api.Mailbox](200, "It goes on.", etag)}, do: plain(s.resumeMailbox), replay: s.replayAct},
		{method: "POST", path: one + "/estimate", id: "estimate", tag: "mailboxes", summary: "What a history would take", access: personal, scope: write, rate: probes,
			answers: []openapi.Answer{answer[api.Estimate](200, "Messages, octets, days.")}, do: reading(s.estimate)},
	}
}

func (s *Service) auditRoutes() []*route {
	const read = "audit:read"
	return []*route{
		{method: "GET", path: v1 + "/audit", id: "listAudit", tag: "audit", summary: "What became of each message", access: personal, scope: read, rate: reads,
			doc: "With Accept: text/csv or application/jsonl everything that matches comes at once.",
			params: paging(query("mailbox", "Of this mailbox alone."), query("status", "", "imported", "skipped", "refused", "doubtful", "failed"),
				query("domain", "Of this sender domain alone."), query("from", "At this time or later."), query("to", "Before this time.")),
			answers: []openapi.Answer{typed(answer[api.Audit](200, "A page, newest first."), "application/json", typeCSV, typeJSONL)}, do: plain(s.listAudit)},
		{method: "GET", path: v1 + "/why", id: "why", tag: "audit", summary: "Why a mail is not in Gmail", access: personal, scope: read, rate: streams,
			params: []openapi.Param{required(query("mailbox", "Where it should have come from.")), required(query("date", "The day it was sent, such as 2024-01-31.")),
				query("domain", "What stands after the @ of its sender.")},
			answers: []openapi.Answer{answer[api.Why](200, "What each place said.")}, do: plain(s.why)},
		{method: "GET", path: v1 + "/stats", id: "stats", tag: "audit", summary: "Totals and series", access: personal, scope: read, rate: reads,
			params:  []openapi.Param{query("window", "Until now, from 1h to 90d; 24h if left out.")},
			answers: []openapi.Answer{answer[api.Stats](200, "What the charts are drawn from.")}, do: plain(s.stats)},
		{method: "GET", path: v1 + "/events", id: "events", tag: "audit", summary: "What happens, as it happens", access: personal, scope: "mailboxes:read", rate: streams, endless: true,
			doc: "Server-sent events: mailbox (a MailboxEvent), audit (an AuditEvent) and counters (a Tally) for tokens with audit:read, " +
				"reset (load everything anew). Something comes every 15 seconds at least.",
			params:  []openapi.Param{{Name: "Last-Event-ID", In: "header", Doc: "Go on after this event.", Schema: openapi.Schema{Type: "string"}}},
			answers: []openapi.Answer{{Status: 200, Doc: "The stream.", Types: []string{"text/event-stream"}}}, do: plain(s.events)},
	}
}

func (s *Service) serviceRoutes() []*route {
	text := func(status int, doc string) openapi.Answer {
		return openapi.Answer{Status: status, Doc: doc, Types: []string{"text/plain"}}
	}
	return []*route{
		{method: "GET", path: v1 + "/openapi.json", id: "openapi", tag: "service", summary: "This document", access: anybody, rate: strange,
			answers: []openapi.Answer{{Status: 200, Doc: "OpenAPI 3.1.", Types: []string{"application/json"}}}, do: plain(s.openapi)},
		{method: "GET", path: "/healthz", id: "healthz", tag: "service", summary: "The process is up", access: anybody, page: false,
			answers: []openapi.Answer{text(200, "It is.")}, do: plain(s.healthz)},
		{method: "GET", path: "/readyz", id: "readyz", tag: "service", summary: "The process can do its work", access: anybody,
			answers: []openapi.Answer{text(200, "It can."), text(503, "It cannot, or is about to end.")}, do: plain(s.readyz)},
		{method: "POST", path: "/webhooks/google/risc", id: "risc", tag: "service", summary: "Security events of Google", access: anybody, rate: strange,
			doc:     "A security event token (RFC 8417) as application/secevent+jwt.",
			answers: []openapi.Answer{bare(202, "Taken."), {Status: 400, Doc: "Refused (RFC 8935).", Types: []string{"application/json"}}}, do: plain(s.risc)},
	}
}

func (s *Service) signInRoutes() []*route {
	away := bare(303, "To where it goes on.", "Location")
	grant := []openapi.Param{query("labels", "1: the permission to manage labels as well, also where no mailbox needs it yet."), query("return", "A path of this site to go to afterwards.")}
	return []*route{
		{method: "GET", path: "/auth/google/login", id: "login", tag: "sign-in", summary: "Sign in with Google", access: anybody, rate: signIns, page: true,
			params: []openapi.Param{query("return", "A path of this site to go to afterwards.")}, answers: []openapi.Answer{away}, do: plain(s.login)},
		{method: "GET", path: "/auth/google/callback", id: "callback", tag: "sign-in", summary: "Back from Google", access: anybody, rate: signIns, page: true,
			answers: []openapi.Answer{away}, do: plain(s.callback)},
		{method: "GET", path: "/auth/source/{provider}/callback", id: "connected", tag: "sign-in", summary: "Back from a mailbox's provider", access: person, rate: signIns, page: true,
			answers: []openapi.Answer{away, markup(200, "The next step towards a new mailbox."), markup(400, "This session did not begin it, or too long ago.")}, do: plain(s.connected)},
		{method: "GET", path: "/auth/google/grant", id: "grantPage", tag: "sign-in", summary: "What Google will be asked for", access: person, rate: reads, page: true,
			params: grant, answers: []openapi.Answer{markup(200, "A page with a button.")}, do: plain(s.grantPage)},
		{method: "POST", path: "/auth/google/grant", id: "askGrant", tag: "sign-in", summary: "Ask Google for access", access: person, rate: signIns, page: true,
			params: grant, answers: []openapi.Answer{away}, do: plain(s.askGrant)},
		{method: "POST", path: "/auth/logout", id: "logout", tag: "sign-in", summary: "Sign out", access: person, rate: writes, page: true,
			answers: []openapi.Answer{away}, do: plain(s.logout)},
	}
}

func typed(a openapi.Answer, types ...string) openapi.Answer {
	a.Types = types
	return a
}

func (s *Service) healthz(c *call) error { return c.SendString("ok\n") }

func (s *Service) readyz(c *call) error {
	if s.base.Err() != nil || !s.o.Ready() {
		return c.Status(fiber.StatusServiceUnavailable).SendString("not ready\n")
	}
	return c.SendString("ok\n")
}
