package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// export streams everything that is held about the user: what the API shows of
// it, the store's own picture, and the two of which there may be a million.
func (s *Service) export(c *call) error {
	me, err := s.me(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	boxes, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	out := api.Export{At: now(), Me: me, Ledger: []api.Known{}, Audit: []api.Entry{}}
	if out.Mailboxes, err = s.views(c.ctx, c.who.user, boxes); err != nil {
		return err
	}
	if out.Tokens, err = s.tokens(c); err != nil {
		return err
	}
	if out.Sessions, err = s.signIns(c); err != nil {
		return err
	}
	held, err := s.o.Accounts.Export(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	if out.Held.RawMessage, err = json.Marshal(held); err != nil {
		return err
	}
	head, err := json.Marshal(out)
	if err != nil {
		return err
	}
	const between, tail = `],"audit":[`, `]}` // the last fields, and empty so far
	head = head[:len(head)-len(between+tail)]
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="smtp-sync.json"`)
	user := c.who.user
	return s.stream(c, fiber.MIMEApplicationJSON, func(ctx context.Context, w *bufio.Writer) error {
		_, _ = w.Write(head)
		list := elements{w: w}
		for _, b := range boxes {
			if err := s.known(ctx, user, b.ID, &list); err != nil {
				return err
			}
		}
		_, _ = w.WriteString(between)
		list = elements{w: w}
		err := s.eachPage(ctx, user, audit.Filter{}, func(entries []api.Entry, _ bool) error {
			for _, e := range entries {
				if err := list.write(e); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil {
			_, err = w.WriteString(tail)
		}
		return err
	})
}

// known writes what is remembered of a mailbox's messages.
func (s *Service) known(ctx context.Context, user id.User, box id.Mailbox, list *elements) error {
	for r, err := range s.o.Accounts.Remembered(ctx, user, box) {
		if err == nil {
			err = list.write(api.Known{MailboxID: box.String(), Key: r.Key, Status: r.Status, Absent: r.Absent, Wanted: r.Wanted, Attempts: r.Attempts})
		}
		if err != nil {
			return fmt.Errorf("mailbox %s: %w", box, err)
		}
	}
	return nil
}

// elements writes those of a JSON array.
type elements struct {
	w     io.Writer
	begun bool
}

func (l *elements) write(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if l.begun {
		b = append([]byte{','}, b...)
	}
	l.begun = true
	_, err = l.w.Write(b)
	return err
}
