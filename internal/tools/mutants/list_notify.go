package main

func init() { mutants = append(mutants, ofNotices...) }

const notices = "./internal/notify"

// ofNotices are the protections of what users are told.
var ofNotices = []mutant{
	{
		name: "told-of-a-blip", why: "failures within some minutes are an incident",
		edits: in("internal/notify/trouble.go", " && seen.FailedAt.Sub(b.State.First) >= proofSpan", ""),
		pkg:   notices, run: "Blip|Outage",
	},
	{
		name: "ungathered", why: "each mailbox of a server that is down is told by itself",
		edits: in("internal/notify/decide.go", "d.f.Now.Before(wait)", "false"),
		pkg:   notices, run: "OneMail",
	},
	{
		name: "uncapped", why: "there are as many mails a day as there are incidents",
		edits: in("internal/notify/decide.go", "if m.Mails >= perDay {", "if false {"),
		pkg:   notices, run: "ThreeMails",
	},
	{
		name: "flapping-told", why: "a mailbox that goes on and off is told each time",
		edits: in("internal/notify/decide.go", "len(i.Changes) > flaps", "false"),
		pkg:   notices, run: "Flapping",
	},
	{
		name: "short-told", why: "it is told that what took minutes is over",
		edits: in("internal/notify/decide.go", " && until.Sub(since) > lasted", ""),
		pkg:   notices, run: "Outage",
	},
	{
		name: "wiped-unwarned", why: "who is inactive is wiped at once",
		edits: in("internal/notify/account.go", "if m.Warned.IsZero() {", "if false {"),
		pkg:   notices, run: "Wiped",
	},
	{
		name: "said-told", why: "the words of a mail server are in mails",
		edits: in("internal/notify/letter.go", `said.ReplaceAllString(s, "")`, "s"),
		pkg:   notices, run: "BreaksAndRecovers",
	},
	{
		name: "bounces-unheard", why: "mail goes on to an address from which it comes back",
		edits: in("internal/notify/deliver.go", `(blocked || l.To == "")`, `l.To == ""`),
		pkg:   notices, run: "Bounce",
	},
	{
		name: "stale-told", why: "what is over before it could be told is told",
		edits: in("internal/notify/letter.go", `(b.Trouble == None || !b.Ended.IsZero())`, "false"),
		pkg:   notices, run: "WhatIsOver",
	},
	{
		name: "sent-forgotten", why: "what Mailjet has taken is sent again",
		edits: in("internal/notify/deliver.go", "m.Outbox = slices.Delete(m.Outbox, i, i+1)", ""),
		pkg:   notices, run: "BreaksAndRecovers",
	},
	{
		name: "tracking", why: "Mailjet tracks what is opened",
		edits: in("internal/notify/mailjet/mailjet.go", `TrackOpens: "disabled"`, `TrackOpens: "account_default"`),
		pkg:   notices + "/mailjet", run: "TakesALetter",
	},
	{
		name: "events-unsigned", why: "anybody may say that a mail has bounced",
		edits: in("internal/notify/mailjet/events.go", "err == nil && hmac.Equal([]byte(k.Of(user, parts[1])), []byte(mark))", "err == nil"),
		pkg:   notices + "/mailjet", run: "Events",
	},
	{
		name: "relay-blamed", why: "an address is given up because the server wants a login",
		edits: in("internal/notify/smtp/smtp.go", "!se.IsTemp() && nobody.MatchString(se.Error())", "!se.IsTemp()"),
		pkg:   notices + "/smtp", run: "Refuses",
	},
	{
		name: "watch-early", why: "a user is looked at before the state of his mailbox is saved",
		edits: in("internal/store/sqlite/schedule.go", "watch = false\n", "\n"),
		pkg:   "./internal/store/sqlite", run: "Watched",
	},
}
