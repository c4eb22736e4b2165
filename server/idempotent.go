package server

import (
	"bytes"
	"context"
	"errors"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// once does a POST once for its Idempotency-Key
// (draft-ietf-httpapi-idempotency-key-header). Of the first answer, status and
// id are kept; what is answered the second time is made anew from these. A
// request that failed gives its key back: it may succeed the next time.
func (c *call) once(do func(*call) error) error {
	key := c.Get("Idempotency-Key")
	if len(key) > 255 || !printable(key) {
		return api.Fail(fiber.StatusBadRequest, "idempotency_key", "the Idempotency-Key is longer than 255 characters or not plain ASCII")
	}
	what := bytes.Join([][]byte{[]byte(c.Method()), []byte(c.Path()), c.Body()}, []byte{0})
	first, done, err := c.s.o.Sessions.StartRequest(c.ctx, c.who.user, key, what)
	switch {
	case errors.Is(err, session.ErrMismatch):
		return api.Fail(fiber.StatusUnprocessableEntity, "idempotency_mismatch", "this Idempotency-Key belongs to another request")
	case errors.Is(err, session.ErrInFlight):
		return api.Fail(fiber.StatusConflict, "idempotency_in_flight", "the first request with this Idempotency-Key is still being answered")
	case err != nil:
		return err
	case done:
		return c.route.replay(c, first)
	}
	settled := false
	ctx := context.WithoutCancel(c.ctx)
	defer func() {
		if !settled { // it failed, or panicked
			_ = c.s.o.Sessions.AbandonRequest(ctx, c.who.user, key)
		}
	}()
	if err := do(c); err != nil {
		return err
	}
	made, _ := c.Locals(localMade).(string)
	settled = true
	return c.s.o.Sessions.FinishRequest(ctx, c.who.user, key, session.Answer{Status: c.Response().StatusCode(), Resource: made})
}

// made tells once what came into being.
func (c *call) made(id string) { c.Locals(localMade, id) }

func printable(s string) bool {
	for _, b := range []byte(s) {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}
