package server

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/server/api"
)

// call is one request on its way through a route.
type call struct {
	*fiber.Ctx
	s     *Service
	route *route
	ctx   context.Context // ends with the request's time
	who   caller
	clock *time.Location // the caller's, once a page has asked for it

	pressed *press // of a form that is not to be answered twice
}

// How long a request may take that is no stream; a connection test has a minute
// of its own.
const (
	answerTime = 30 * time.Second
	probeTime  = 75 * time.Second
)

// serve is what every route is called through. The order counts: who it is,
// whether he means it, whether it is too much, and only then what he says.
func (s *Service) serve(r *route) fiber.Handler {
	return func(f *fiber.Ctx) error {
		c := &call{Ctx: f, s: s, route: r}
		most := answerTime
		if r.rate == probes {
			most = probeTime
		}
		ctx, cancel := context.WithTimeout(s.base, most)
		defer cancel()
		c.ctx = ctx
		f.Locals(localRoute, r)
		err := c.authenticate()
		if err == nil {
			f.Locals(localUser, c.who.user)
			err = c.intended()
		}
		if limited := c.limit(err); limited != nil {
			return limited
		}
		if to := c.ledTo(); to != "" {
			return seeOther(c, to)
		}
		if err == nil {
			err = c.known()
		}
		if err != nil {
			return err
		}
		if r.replay != nil && c.Get("Idempotency-Key") != "" {
			return c.once(r.do.run)
		}
		return r.do.run(c)
	}
}

// known refuses query parameters that the route does not have, and any twice:
// a filter with a typing error must not answer with everything.
func (c *call) known() error {
	if c.route.page {
		return nil
	}
	values, err := url.ParseQuery(string(c.Request().URI().QueryString()))
	if err != nil {
		return api.Fail(fiber.StatusBadRequest, "bad_query", "the query is not well-formed")
	}
	for name, v := range values {
		found := false
		for _, p := range c.route.params {
			found = found || p.In == "query" && p.Name == name
		}
		switch {
		case !found:
			return parameter(name, "unknown_parameter", "there is no such parameter")
		case len(v) > 1:
			return parameter(name, "duplicate_parameter", "the parameter is there twice")
		}
	}
	return nil
}

// parameter makes the Error for a parameter.
func parameter(name, code, detail string) error {
	if len(name) > 64 {
		name = name[:64]
	}
	return &api.Error{Status: fiber.StatusBadRequest, Code: code, Detail: detail, Faults: []api.Fault{{Field: name, Code: code, Detail: detail}}}
}

// missing makes the Error for a parameter that has to be there.
func missing(name string) error {
	return parameter(name, name+"_required", "the parameter is required")
}

// mailbox gives the id in the path. What is no id is nobody's.
func (c *call) mailbox() (id.Mailbox, error) {
	box, err := id.Parse[id.Mailbox](c.Params("id"))
	if err != nil {
		return box, api.ErrNotFound
	}
	return box, nil
}

const (
	defaultPage = 50
	maxPage     = 500
)

// pageSize gives the limit that is asked for.
func (c *call) pageSize() (int, error) {
	v := c.Query("limit")
	if v == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > maxPage {
		return 0, parameter("limit", "limit_range", "it is not from 1 to "+strconv.Itoa(maxPage))
	}
	return n, nil
}

// moment reads a time in the query; zero if there is none.
func (c *call) moment(name string) (time.Time, error) {
	v := c.Query(name)
	if v == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, v); err == nil && t.Year() >= 1970 && t.Year() < 3000 {
			return t.UTC(), nil
		}
	}
	return time.Time{}, parameter(name, "time_invalid", "write 2024-01-31 or 2024-01-31T12:00:00Z")
}

// answer writes a JSON body, straight into that of the response: a copy of each
// page would be most of what the collector has to do.
func (c *call) answer(status int, v any) error {
	c.Status(status).Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return json.NewEncoder(c.Response().BodyWriter()).Encode(v)
}

// nothing answers without a body.
func (c *call) nothing() error { return c.SendStatus(fiber.StatusNoContent) }
