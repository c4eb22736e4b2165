package server

import (
	"reflect"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/openapi"
	"github.com/smtp-sync/smtp-sync/server/strictjson"
)

// access says who may call.
type access int

const (
	anybody  access = iota // signed in or not
	person                 // a session in a browser
	personal               // a session, or a token with the route's scope
)

// route is one row of the table that Fiber, the OpenAPI document and the tests
// of authorisation are made from.
type route struct {
	method, path string // the path in OpenAPI's spelling: /mailboxes/{id}
	id           string // names the operation in document, log and tests
	tag          string
	summary, doc string
	access       access
	scope        string // that a token needs; "" with personal: any token will do
	rate         class
	params       []openapi.Param
	answers      []openapi.Answer
	do           handler
	// replay answers a POST again whose Idempotency-Key was answered before. A
	// POST without one changes nothing and is simply done again.
	replay  func(*call, session.Answer) error
	endless bool   // it goes on until its client leaves
	octets  string // the body is no JSON: its content type
	file    bool   // the form of a page brings one
	page    bool   // for a browser: errors are pages, forms carry the CSRF token
}

// handler is what a route does. The type of the body it reads is known to the
// document as well.
type handler struct {
	body reflect.Type
	form bool
	run  func(*call) error
}

// plain is a handler that reads no body.
func plain(f func(*call) error) handler { return handler{run: f} }

// reading is a handler of a JSON body.
func reading[B any](f func(*call, B) error) handler {
	return handler{body: reflect.TypeFor[B](), run: func(c *call) error {
		var in B
		if err := c.read(&in); err != nil {
			return err
		}
		return f(c, in)
	}}
}

// read reads the body strictly.
func (c *call) read(into any) error {
	kind, _, _ := strings.Cut(c.Get(fiber.HeaderContentType), ";")
	if !strings.EqualFold(strings.TrimSpace(kind), fiber.MIMEApplicationJSON) {
		return api.Fail(fiber.StatusUnsupportedMediaType, "json_required", "send Content-Type: application/json")
	}
	err := strictjson.Decode(c.Body(), into)
	if err == nil {
		return nil
	}
	e, ok := err.(*strictjson.Error)
	if !ok {
		return err
	}
	status := fiber.StatusUnprocessableEntity
	if e.Malformed() {
		status = fiber.StatusBadRequest
	}
	return &api.Error{Status: status, Code: e.Code, Detail: e.Detail, Faults: []api.Fault{{Field: e.Field, Code: e.Code, Detail: e.Detail}}}
}

// mount registers the routes with Fiber.
func (s *Service) mount() {
	allowed := map[string][]string{}
	for _, r := range s.routes {
		path := strings.NewReplacer("{", ":", "}", "").Replace(r.path)
		methods := []string{r.method}
		if r.method == fiber.MethodGet && !r.endless {
			methods = append(methods, fiber.MethodHead)
		}
		for _, m := range methods {
			s.app.Add(m, path, s.serve(r))
		}
		allowed[path] = append(allowed[path], methods...)
	}
	for path, methods := range allowed {
		allow := strings.Join(append(methods, fiber.MethodOptions), ", ")
		s.app.Options(path, func(c *fiber.Ctx) error {
			c.Set(fiber.HeaderAllow, allow)
			return c.SendStatus(fiber.StatusNoContent)
		})
	}
}

// operation is the row of the OpenAPI document.
func (r *route) operation() openapi.Operation {
	o := openapi.Operation{Method: r.method, Path: r.path, ID: r.id, Tag: r.tag, Summary: r.summary, Doc: r.doc,
		Params: r.params, Body: r.do.body, Form: r.do.form, Octets: r.octets, Answers: r.answers,
		Session: r.access != anybody, Token: r.access == personal, Scope: r.scope}
	if r.replay != nil {
		o.Params = append(o.Params, openapi.Param{Name: "Idempotency-Key", In: "header", Schema: openapi.Schema{Type: "string"},
			Doc: "The same request with the same key is done once within 24 hours."})
	}
	return o
}

// query gives a parameter of the query.
func query(name, doc string, words ...string) openapi.Param {
	return openapi.Param{Name: name, In: "query", Doc: doc, Schema: openapi.Schema{Type: "string", Enum: words}}
}

// required makes a parameter one that must be there.
func required(p openapi.Param) openapi.Param {
	p.Required = true
	return p
}

// paging are the parameters of a list.
func paging(more ...openapi.Param) []openapi.Param {
	return append(more, openapi.Param{Name: "limit", In: "query", Doc: "At most so many; 50 if left out.", Schema: openapi.Schema{Type: "integer", Minimum: new(1), Maximum: new(maxPage)}},
		query("cursor", "The next_cursor of the page before."))
}

// answer is an answer with a JSON body.
func answer[B any](status int, doc string, headers ...string) openapi.Answer {
	return openapi.Answer{Status: status, Doc: doc, Body: reflect.TypeFor[B](), Headers: headers}
}

// bare is an answer without a body.
func bare(status int, doc string, headers ...string) openapi.Answer {
	return openapi.Answer{Status: status, Doc: doc, Headers: headers}
}

// markup is an answer that is a page.
func markup(status int, doc string) openapi.Answer {
	return openapi.Answer{Status: status, Doc: doc, Types: []string{"text/html"}}
}
