package server

import (
	"cmp"
	"errors"
	"slices"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/definitions"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// importMailboxes makes the mailboxes of another program's configuration.
func (s *Service) importMailboxes(c *call, in api.MailboxesImport) error {
	out, err := s.bring(c, in)
	if err != nil {
		return err
	}
	return c.answer(fiber.StatusOK, out)
}

// bring reads the file and makes what it defines, or only says what it would
// make. One that cannot be made keeps none of the others from it; nothing is
// connected to, and doing it again makes nothing twice.
func (s *Service) bring(c *call, in api.MailboxesImport) (out api.MailboxesImported, err error) {
	if err := in.Check(); err != nil {
		return out, err
	}
	r := definitions.Read(in.Format, []byte(in.Text))
	out = api.MailboxesImported{Format: r.Format, DryRun: in.DryRun, Mailboxes: []api.ImportedMailbox{}, Problems: api.ImportProblems(r.Problems)}
	there, err := s.there(c)
	if err != nil {
		return out, err
	}
	for _, d := range r.Found {
		m, err := in.Define(d, s.o.Hosts)
		status, box := "ready", there[m.Identity()]
		switch {
		case err != nil:
		case box != "":
			status = "duplicate"
		case in.DryRun:
			box = inThisFile
		default:
			if m, err = s.add(c, m); err == nil {
				status, box = "created", m.ID.String()
			} else if errors.Is(err, errDuplicate) {
				status, box, err = "duplicate", m.ID.String(), nil
			}
		}
		v := api.ImportedFrom(d, m, status)
		if err != nil {
			p := problem(err)
			if p.Status >= fiber.StatusInternalServerError {
				return out, err // ours: what was made so far is there, and is not made twice
			}
			v.Status = "refused"
			out.Problems = append(out.Problems, api.ProblemsOf(d.Line, p)...)
		} else {
			there[m.Identity()] = box
		}
		if box != inThisFile {
			v.ID = box
		}
		out.Mailboxes = append(out.Mailboxes, v)
	}
	slices.SortStableFunc(out.Problems, func(a, b api.ImportProblem) int { return cmp.Compare(a.Line, b.Line) })
	return out, nil
}

// inThisFile stands for the id of a mailbox that a dry run has not made.
const inThisFile = "-"

// there gives the mailboxes that there are already.
func (s *Service) there(c *call) (map[account.Identity]string, error) {
	all, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	out := make(map[account.Identity]string, len(all))
	for _, m := range all {
		out[m.Identity()] = m.ID.String()
	}
	return out, err
}
