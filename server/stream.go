package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/live"
)

// stream answers with what f writes. Nothing of the request may be used in f:
// Fiber has taken it back by then. An error of f breaks the connection off, so
// that half an answer cannot be taken for a whole one.
func (s *Service) stream(c *call, kind string, f func(ctx context.Context, w *bufio.Writer) error) error {
	r, w := io.Pipe()
	log := s.o.Log
	request := c.Locals(localRequest)
	go func() {
		err := contained(func() error {
			b := bufio.NewWriterSize(w, 4<<10)
			if err := f(s.base, b); err != nil {
				return err
			}
			return b.Flush()
		})
		if err != nil && !errors.Is(err, io.ErrClosedPipe) { // the reader has gone: not ours
			log.Warn("stream broken off", "ref", request, "err", err)
		}
		w.CloseWithError(err)
	}()
	c.Set(fiber.HeaderContentType, kind)
	c.Context().SetBodyStream(r, -1)
	return nil
}

// contained turns a panic into an error: nobody else would.
func contained(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked{fmt.Sprintf("%T", v), frames(4)}
		}
	}()
	return f()
}

// events streams what happens (WHATWG HTML, server-sent events). A beat keeps
// the way open, finds out that the client has gone, and looks whether the
// caller still may listen; it comes however much happens in between.
func (s *Service) events(c *call) error {
	who, all := c.who, c.may("audit:read")
	reader, err := s.hub.Join(who.user, c.Get("Last-Event-ID"))
	switch {
	case errors.Is(err, live.ErrMany):
		c.Set(fiber.HeaderRetryAfter, "30")
		return api.Fail(fiber.StatusTooManyRequests, "too_many_streams", "there are too many event streams open")
	case err != nil:
		return &api.Error{Status: fiber.StatusServiceUnavailable, Code: "restarting", Detail: "the service is being restarted", Help: "try again in some seconds"}
	}
	c.Set("X-Accel-Buffering", "no")
	return s.stream(c, "text/event-stream", func(ctx context.Context, w *bufio.Writer) error {
		defer reader.Leave()
		_, _ = fmt.Fprintf(w, "id: %s\nretry: 3000\n\n", reader.Last())
		if reader.Anew {
			_, _ = w.WriteString("event: reset\ndata: {}\n\n")
		}
		due := time.Now().Add(s.o.Heartbeat)
		for {
			if err := w.Flush(); err != nil {
				return err
			}
			beat, cancel := context.WithDeadline(ctx, due)
			events, err := reader.Next(beat)
			cancel()
			over := !time.Now().Before(due)
			if err != nil || ctx.Err() != nil || over && !s.stillThere(ctx, who) {
				return nil // the client comes back and is told
			}
			if over {
				_, _ = w.WriteString(": beat\n\n")
				due = time.Now().Add(s.o.Heartbeat)
			}
			for _, e := range events {
				if all || e.Name == "mailbox" {
					_, _ = fmt.Fprintf(w, "id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.Name, e.Data)
				}
			}
		}
	})
}

// stillThere reports whether a session or token has not ended meanwhile.
func (s *Service) stillThere(ctx context.Context, who caller) bool {
	if who.token == nil {
		_, err := s.o.Sessions.FindSession(ctx, who.cookie)
		return !errors.Is(err, session.ErrNone)
	}
	all, err := s.o.Sessions.Tokens(ctx, who.user)
	for _, t := range all {
		if t.ID == who.token.ID {
			return true
		}
	}
	return err != nil
}

// Audited tells of a line of the audit. It never blocks; the ledger's committer
// may call it.
func (s *Service) Audited(user id.User, e audit.Entry) { s.hub.Audit(user, entry(e)) }

// Took tells how long a message of a mailbox was on its way into Gmail, for the
// chart of that. It never blocks.
func (s *Service) Took(box id.Mailbox, took time.Duration) { s.delays.Note(box, time.Now(), took) }

// watch carries what the engine tells to those who listen.
func (s *Service) watch(ctx context.Context) {
	changes, stop := s.o.Engine.Watch()
	defer stop()
	for {
		select {
		case ch := <-changes:
			s.hub.Mailbox(ch.User, changeOf(ch))
		case <-ctx.Done():
			return
		}
	}
}

func changeOf(c actors.Change) api.MailboxEvent {
	return api.MailboxEvent{ID: c.Mailbox.String(), Gone: c.Gone, Standing: standingOf(c.Status)}
}

// export streams everything that is held about the user.
func (s *Service) export(c *call) error {
	me, err := s.me(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	boxes, err := s.o.Accounts.Mailboxes(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	out := api.Export{At: now(), Me: me, Audit: []api.Entry{}}
	if out.Mailboxes, err = s.views(c.ctx, c.who.user, boxes); err != nil {
		return err
	}
	if out.Tokens, err = s.tokens(c); err != nil {
		return err
	}
	if out.Sessions, err = s.signIns(c); err != nil {
		return err
	}
	head, err := json.Marshal(out)
	if err != nil {
		return err
	}
	const tail = "]}" // the audit is the last field, and empty so far
	head = head[:len(head)-len(tail)]
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="smtp-sync.json"`)
	user := c.who.user
	return s.stream(c, fiber.MIMEApplicationJSON, func(ctx context.Context, w *bufio.Writer) error {
		_, _ = w.Write(head)
		comma := false
		err := s.eachPage(ctx, user, audit.Filter{}, func(entries []api.Entry, _ bool) error {
			for _, e := range entries {
				b, err := json.Marshal(e)
				if err != nil {
					return err
				}
				if comma {
					_ = w.WriteByte(',')
				}
				comma = true
				if _, err := w.Write(b); err != nil {
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
