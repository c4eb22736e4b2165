package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/live"
)

// events streams what happens (WHATWG HTML, server-sent events). A beat keeps
// the way open, finds out that the client has gone, and looks whether the
// caller still may listen.
func (s *Service) events(c *call) error {
	reader, err := s.hub.Join(c.who.user, c.Get("Last-Event-ID"))
	switch {
	case errors.Is(err, live.ErrMany):
		c.Set(fiber.HeaderRetryAfter, "30")
		return api.Fail(fiber.StatusTooManyRequests, "too_many_streams", "there are too many event streams open")
	case err != nil:
		return &api.Error{Status: fiber.StatusServiceUnavailable, Code: "restarting", Detail: "the service is being restarted", Help: "try again in some seconds"}
	}
	e := &eventStream{s: s, who: c.who, all: c.may("audit:read"), reader: reader, due: time.Now().Add(s.o.Heartbeat)}
	e.rest = fmt.Appendf(nil, "id: %s\nretry: 3000\n\n", reader.Last())
	if reader.Anew {
		e.rest = append(e.rest, "event: reset\ndata: {}\n\n"...)
	}
	c.Set("X-Accel-Buffering", "no")
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Context().SetBodyStream(e, -1)
	return nil
}

// eventStream is the answer, read by the connection's own goroutine whenever
// its client has taken what was there: thousands of them wait for most of the
// time, and hold next to nothing while they do.
type eventStream struct {
	s      *Service
	who    caller
	all    bool // not only the mailboxes
	reader *live.Reader
	due    time.Time // of the next beat
	rest   []byte    // was not read yet
}

// Read waits for what there is to tell. io.EOF ends the stream in good order:
// the client comes back and is told.
func (e *eventStream) Read(p []byte) (n int, err error) {
	if len(e.rest) == 0 {
		if e.rest, err = e.next(); err != nil {
			return 0, err
		}
	}
	n = copy(p, e.rest)
	if e.rest = e.rest[n:]; len(e.rest) == 0 {
		e.rest = nil
	}
	return n, nil
}

// Close is called when the stream has ended, whoever ended it.
func (e *eventStream) Close() error {
	e.reader.Leave()
	return nil
}

func (e *eventStream) next() (out []byte, err error) {
	beat, cancel := context.WithDeadline(e.s.base, e.due)
	defer cancel()
	for len(out) == 0 {
		events, err := e.reader.Next(beat)
		if err != nil || e.s.base.Err() != nil {
			return nil, io.EOF
		}
		if beat.Err() != nil { // also while events come without a pause
			if !e.s.stillThere(e.who) {
				return nil, io.EOF
			}
			e.due = time.Now().Add(e.s.o.Heartbeat)
			out = append(out, ": beat\n\n"...)
		}
		for _, event := range events {
			if e.all || event.Name == "mailbox" {
				out = fmt.Appendf(out, "id: %s\nevent: %s\ndata: %s\n\n", event.ID, event.Name, event.Data)
			}
		}
	}
	return out, nil
}

// stillThere reports whether a session or token has not ended meanwhile. It is
// looked up on a stack of its own: what the store needs of one is large, and
// would stay with the stream.
func (s *Service) stillThere(who caller) bool {
	ended := make(chan bool, 1)
	go func() {
		ended <- errors.Is(contained(func() (err error) {
			if who.token == nil {
				_, err = s.o.Sessions.FindSession(s.base, who.cookie)
			} else {
				_, err = s.o.Sessions.FindToken(s.base, who.bearer)
			}
			return err
		}), session.ErrNone)
	}()
	return !<-ended
}
