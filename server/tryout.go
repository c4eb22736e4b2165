package server

import (
	"bufio"
	"context"
	"encoding/json"
	"math"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/probe"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// test tries a mailbox. That there were too many tries, or that it cannot be
// tried, is an outcome too.
func (s *Service) test(ctx context.Context, user id.User, m account.Mailbox, told func(probe.Step)) (outcome, error) {
	r, err := s.o.Prober.Test(ctx, user, m, told)
	if _, ok := mail.AsFault(err); ok {
		e := *problem(err)
		return outcome{Said: &e}, nil
	}
	return outcome{Trial: trial(r)}, err
}

// cure is what helps, where no step of the test beside it says so.
func cure(o outcome) string {
	if o.Said == nil {
		return ""
	}
	return sentence(o.Said.Help)
}

// failedField says which field a failed test is about.
func failedField(o outcome) (field string, said api.Error) {
	if o.Said != nil {
		return "host", *o.Said
	}
	last := o.Trial.Steps[len(o.Trial.Steps)-1]
	if last.Name == "login" {
		field = "password"
	} else {
		field = "host"
	}
	return field, api.Error{Code: last.Code, Detail: last.Detail, Help: last.Help}
}

// aloud is a line of a test that is told step by step.
type aloud struct {
	Step *api.Step `json:"step,omitempty"`
	// Tested is the outcome, sealed: the form brings it along.
	Tested string `json:"tested,omitempty"`
	// Form: there is something wrong with it, and sending it says what.
	Form bool `json:"form,omitempty"`
}

// tryAloud tests for a script, which shows the steps as they end and then sends
// the form with the outcome.
func (s *Service) tryAloud(c *call, d *draft) error {
	m, w, err := s.checked(c, d)
	if err != nil {
		return err
	}
	user, of := c.who.user, d.of(c, sealOutcome)
	return s.stream(c, typeJSONL, func(ctx context.Context, out *bufio.Writer) error {
		enc := json.NewEncoder(out)
		if len(w) > 0 {
			return enc.Encode(aloud{Form: true})
		}
		ctx, cancel := context.WithTimeout(ctx, probeTime)
		defer cancel()
		o, err := s.test(ctx, user, m, func(st probe.Step) {
			if enc.Encode(aloud{Step: new(step(st))}) != nil || out.Flush() != nil {
				cancel() // nobody is listening
			}
		})
		if err != nil {
			return err
		}
		b, err := json.Marshal(o)
		if err != nil {
			return err
		}
		return enc.Encode(aloud{Tested: s.sealed.seal(b, of...)})
	})
}

// reckoned is what a history would take, as far as the test could see.
type reckoned struct {
	Known    bool
	Messages int64
	Bytes    int64
	Days     float64 // at PerDay; 0: within today's
	PerDay   int64   // 0: no limit
}

// Size and Budget are in words.
func (r reckoned) Size() string   { return octets(r.Bytes) }
func (r reckoned) Budget() string { return octets(r.PerDay) }

// StepNames are the steps of a test, for who shows them as they end.
func (newView) StepNames() []string {
	return []string{"dns", "connect", "tls", "greeting", "capability", "login", "list"}
}

// reckon adds up the chosen folders. Where a server does not say of each folder
// how large it is, what it said of the inbox counts only if that is all.
func (s *Service) reckon(t api.Trial, protocol string, rows []folderRow) (r reckoned) {
	r.PerDay = s.o.BytesPerDay
	r.Known = true
	picked := 0
	for _, f := range rows {
		if !f.Chosen || protocol == "pop3" {
			continue
		}
		picked++
		if f.Messages == nil || f.Bytes == nil {
			r.Known = false
			continue
		}
		r.Messages, r.Bytes = r.Messages+*f.Messages, r.Bytes+*f.Bytes
	}
	only := picked == 0 || picked == 1 && len(rows) > 0 && rows[0].Chosen && strings.EqualFold(rows[0].Name, "INBOX")
	if only && (picked == 0 || !r.Known) {
		r.Known = t.Messages != nil && t.Bytes != nil
		if r.Known {
			r.Messages, r.Bytes = *t.Messages, *t.Bytes
		}
	}
	if r.PerDay > 0 {
		r.Days = math.Round(10*float64(r.Bytes)/float64(r.PerDay)) / 10
	}
	return r
}
