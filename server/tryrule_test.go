package server_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// arrives puts mail into every mailbox, the newest first.
func (w *world) arrives() {
	for _, raw := range []string{
		"From: Shop <a@news.shop.example>\r\nSubject: secret-subject <b>\r\nDate: Mon, 2 Feb 2026 15:04:05 +0000\r\n\r\n",
		"From: friend@club.example\r\nSubject: dinner\r\n\r\n",
	} {
		w.Newly = append(w.Newly, mail.Headed{Ref: mail.Ref{Size: 4321}, Header: mail.ParseHeader([]byte(raw))})
	}
}

func TestARuleIsTriedOnTheNewestMailOfAMailbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.arrives()
	user, browser, program := w.person(t, "owner")
	_, _, stranger := w.person(t, "stranger")
	box := w.Mailbox(t, user, "old").ID.String()
	foreign := w.Mailbox(t, w.User(t, "third"), "another's").ID.String()
	a := w.do(t, program, "POST", "/api/v1/rules", strings.Replace(skipShop, "}}", `},"enabled":false}`, 1))
	want(t, a, 201)
	one := "/api/v1/rules/" + read[api.Rule](t, a).ID
	a = w.do(t, program, "POST", one+"/try", `{"mailbox":"`+box+`"}`)
	want(t, a, 200)
	got := read[api.RuleTried](t, a).Messages
	if len(got) != 2 || got[0].Verdict != "skip" || got[0].Reason == "" || got[0].SenderDomain != "news.shop.example" || got[0].Size != 4321 ||
		!got[0].At.Equal(time.Date(2026, 2, 2, 15, 4, 5, 0, time.UTC)) || got[1].Verdict != "keep" || got[1].SenderDomain != "club.example" || got[0].Fuel <= 0 {
		t.Errorf("got %s", a.body)
	}
	if strings.Contains(string(a.body), "secret-subject") || strings.Contains(string(a.body), "friend") {
		t.Error("who may write rules sees what is in the mail")
	}
	if a := w.do(t, program, "POST", one+"/try", `{"mailbox":"`+box+`","messages":1}`); len(read[api.RuleTried](t, a).Messages) != 1 {
		t.Errorf("one: %s", a.body)
	}
	for body, at := range map[string][2]string{
		`{"mailbox":""}`:                                 {"mailbox_required", "mailbox"},
		`{"mailbox":"x"}`:                                {"mailbox_unknown", "mailbox"},
		`{"mailbox":"` + foreign + `"}`:                  {"mailbox_unknown", "mailbox"},
		`{"mailbox":"` + box + `","messages":0}`:         {"messages_range", "messages"},
		`{"mailbox":"` + box + `","messages":51}`:        {"messages_range", "messages"},
		`{"mailbox":"` + box + `","header":"From: a@b"}`: {"unknown_field", "header"},
	} {
		wantProblem(t, w.do(t, program, "POST", one+"/try", body), 422, at[0], at[1])
	}
	wantProblem(t, w.do(t, stranger, "POST", one+"/try", `{"mailbox":"`+box+`"}`), 404, "not_found", "")
	wantProblem(t, w.do(t, program, "POST", "/api/v1/rules/"+id.New[id.Rule]().String()+"/try", `{"mailbox":"`+box+`"}`), 404, "not_found", "")
	if n := len(w.Probed()); n != 2 {
		t.Errorf("%d times a mailbox was looked into, want 2", n)
	}

	const path = "/rules/new?plugin=skip-domains"
	form := url.Values{"name": {"x"}, "c-domains": {"shop.example"}, "step": {"newest"}, "try_box": {box}, "for": {"all"}}
	a = w.submit(t, browser, path, form)
	want(t, a, 200)
	sound(t, path, a.body)
	says(t, a, "The newest mail of old", "secret-subject <b>", "skip it: it is not imported", "friend@club.example", "import it as it is")
	form.Set("try_box", foreign)
	a = w.submit(t, browser, path, form)
	want(t, a, 422)
	sound(t, path, a.body)
	says(t, a, `href="#try_box"`)
	w.Failed = &mail.Fault{Class: mail.Setup, Code: "auth_failed", Text: "imap.example.com refused the password", Help: "enter it again"}
	form.Set("try_box", box)
	a = w.submit(t, browser, path, form)
	want(t, a, 422)
	sound(t, path, a.body)
	says(t, a, "refused the password", "Enter it again")
	wantProblem(t, w.do(t, program, "POST", one+"/try", `{"mailbox":"`+box+`"}`), 422, "auth_failed", "mailbox")
	form.Set("c-domains", "not a domain")
	w.Probed()
	a = w.submit(t, browser, path, form)
	want(t, a, 422)
	says(t, a, `href="#c-domains"`)
	if len(w.Probed()) > 0 {
		t.Error("a mailbox is looked into for settings that are wrong")
	}
	if all, _ := w.Rules.Rules(t.Context(), user); len(all) != 1 || all[0].Asked != 0 {
		t.Errorf("a trial counts or is kept: %+v", all)
	}
	if strings.Contains(w.Log(), "secret-subject") {
		t.Error("a subject is in the log")
	}
}
