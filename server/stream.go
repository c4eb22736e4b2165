package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/server/api"
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
