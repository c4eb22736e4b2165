package server

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// fail answers with an error: a problem document, or a page for a browser. It
// is Fiber's error handler too, for what comes before any route (a body that is
// too large).
func (s *Service) fail(c *fiber.Ctx, err error) error {
	e := problem(err)
	request, _ := c.Locals(localRequest).(string)
	if request == "" { // it never came to observe
		request = strings.ToLower(rand.Text()[:16])
		s.headers(c)
	}
	p := api.Problem{Type: "urn:smtp-sync:problem:" + e.Code, Title: title(e.Status), Status: e.Status, Code: e.Code,
		Detail: e.Detail, Help: e.Help, Errors: append([]api.Fault{}, e.Faults...), ID: e.ID, RequestID: request}
	if f, ok := mail.AsFault(err); ok && e.Status == fiber.StatusTooManyRequests && !f.Until.IsZero() {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(max(1, seconds(time.Until(f.Until)))))
	}
	if e.Status == fiber.StatusUnauthorized {
		c.Set(fiber.HeaderWWWAuthenticate, `Bearer realm="smtp-sync"`)
	}
	if r, _ := c.Locals(localRoute).(*route); r != nil && r.page || r == nil && browser(c) {
		return s.errorPage(c, p)
	}
	c.Status(e.Status)
	if err := c.JSON(p); err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "application/problem+json")
	return nil
}

// browser reports whether a person looks at what is under no route.
func browser(c *fiber.Ctx) bool {
	return !strings.HasPrefix(c.Path(), "/api/") && !strings.HasPrefix(c.Path(), "/webhooks/") && strings.Contains(c.Get(fiber.HeaderAccept), "text/html")
}

func title(status int) string {
	t := map[int]string{200: "Nothing was changed", 413: "Too large", 415: "Unsupported content type", 422: "Not acceptable as it is", 428: "Precondition required", 429: "Too many requests"}[status]
	if t == "" {
		t = strings.ToUpper(statusText(status)[:1]) + strings.ToLower(statusText(status)[1:])
	}
	return t
}

func statusText(status int) string {
	if t := fiber.NewError(status).Message; t != "" {
		return t
	}
	return "Error"
}

// problem translates an error, once, here. What nobody chose to show is an
// internal error.
func problem(err error) *api.Error {
	if e, ok := errors.AsType[*api.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*fiber.Error](err); ok {
		return foreign(e)
	}
	if f, ok := mail.AsFault(err); ok {
		return &api.Error{Status: statusOf(f), Code: f.Code, Detail: f.Text, Help: f.Help}
	}
	switch {
	case errors.Is(err, account.ErrNone), errors.Is(err, session.ErrNone):
		return api.ErrNotFound
	case errors.Is(err, audit.ErrCursor):
		return api.ErrCursor
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &api.Error{Status: fiber.StatusServiceUnavailable, Code: "busy", Detail: "the answer took too long", Help: "try again"}
	}
	return &api.Error{Status: fiber.StatusInternalServerError, Code: "internal", Detail: "something went wrong here",
		Help: "try again; if it stays, name the request id to the operator"}
}

// foreign translates what Fiber says.
func foreign(e *fiber.Error) *api.Error {
	switch e.Code {
	case fiber.StatusNotFound:
		return api.ErrNotFound
	case fiber.StatusMethodNotAllowed:
		return api.Fail(e.Code, "method_not_allowed", "this address does not take that method")
	case fiber.StatusRequestEntityTooLarge:
		return api.Fail(e.Code, "body_too_large", "the body is larger than 1 MiB, or a module than 4 MiB")
	case fiber.StatusRequestHeaderFieldsTooLarge:
		return api.Fail(e.Code, "header_too_large", "the header section is larger than 8 KiB")
	}
	if e.Code >= 500 {
		return api.Fail(fiber.StatusInternalServerError, "internal", "something went wrong here")
	}
	return api.Fail(e.Code, "bad_request", "the request is not well-formed")
}

// statusOf gives the status for a Fault that reached a handler.
func statusOf(f *mail.Fault) int {
	switch f.Class {
	case mail.RateLimited:
		return fiber.StatusTooManyRequests
	case mail.Grant, mail.Revoked:
		return fiber.StatusConflict
	case mail.Setup, mail.Login, mail.Protocol:
		return fiber.StatusUnprocessableEntity
	}
	return fiber.StatusServiceUnavailable
}
