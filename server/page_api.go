package server

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/server/openapi"
	"github.com/smtp-sync/smtp-sync/server/text"
)

func (s *Service) apiPage() []*route {
	view := sync.OnceValues(s.describeForPeople) // it never changes
	r := pageAt("/api", "apiPage", "The API for people", func(c *call) error {
		v, err := view()
		if err != nil {
			return err
		}
		if !c.who.known() {
			return s.page(c.Ctx, fiber.StatusOK, "api", frame{Title: text.T("api.title"), Main: v})
		}
		return c.show("api", text.T("api.title"), v)
	})
	r.access, r.rate = anybody, reads
	return []*route{r}
}

type apiView struct {
	Tags   []tagView
	Public string // address of the service
}

type tagView struct {
	Tag        string
	Operations []operationView
}

// operationView is a call as people read it. Everything in it comes from the
// table and the document that is made of it.
type operationView struct {
	ID, Method, Path string
	Summary, Doc     string
	Who, Scope       string // anybody, session, token
	Params, Body     []fieldView
	Answers          []answerView
	Example          string
}

type fieldView struct {
	Name, In, Kind, Doc string
	Required            bool
}

type answerView struct {
	Status int
	Doc    string
}

// described is what the page needs of the document.
type described struct {
	Paths map[string]map[string]struct {
		RequestBody *struct {
			Content map[string]struct{ Schema openapi.Schema }
		}
	}
	Components struct{ Schemas map[string]openapi.Schema }
}

func (s *Service) describeForPeople() (apiView, error) {
	var d described
	if err := json.Unmarshal(s.document, &d); err != nil {
		return apiView{}, err
	}
	v := apiView{Public: s.origin}
	for _, r := range s.routes {
		if r.page {
			continue
		}
		if len(v.Tags) == 0 || v.Tags[len(v.Tags)-1].Tag != r.tag {
			v.Tags = append(v.Tags, tagView{Tag: r.tag})
		}
		last := &v.Tags[len(v.Tags)-1]
		last.Operations = append(last.Operations, d.operation(r, s.origin))
	}
	return v, nil
}

func (d described) operation(r *route, origin string) operationView {
	o := r.operation()
	v := operationView{ID: r.id, Method: r.method, Path: r.path, Summary: r.summary, Doc: r.doc, Who: "anybody", Scope: r.scope}
	switch r.access {
	case person:
		v.Who = "session"
	case personal:
		v.Who = "token"
	}
	var query strings.Builder
	for _, p := range o.Params {
		v.Params = append(v.Params, fieldView{p.Name, p.In, kindOf(p.Schema), p.Doc, p.Required})
		if p.Required && p.In == "query" {
			query.WriteString("&" + p.Name + "=…")
		}
	}
	for _, a := range r.answers {
		v.Answers = append(v.Answers, answerView{a.Status, a.Doc})
	}
	body := ""
	if in := d.Paths[r.path][strings.ToLower(r.method)].RequestBody; in != nil {
		schema := d.resolve(in.Content[fiber.MIMEApplicationJSON].Schema)
		v.Body = d.fields(schema)
		b, _ := json.Marshal(d.example(schema)) // of maps and strings
		body = string(b)
	}
	v.Example = example(r, origin, strings.Replace(query.String(), "&", "?", 1), body)
	return v
}

// example is a call as it is typed.
func example(r *route, origin, query, body string) string {
	var b strings.Builder
	b.WriteString("curl")
	if r.method != fiber.MethodGet {
		b.WriteString(" -X " + r.method)
	}
	if r.endless {
		b.WriteString(" -N")
	}
	if r.access == personal {
		b.WriteString(` -H "Authorization: Bearer $TOKEN"`)
	}
	if body != "" {
		b.WriteString(" \\\n  -H 'Content-Type: application/json' -d '" + body + "'")
	}
	b.WriteString(" \\\n  '" + origin + r.path + query + "'")
	return b.String()
}

// resolve follows references.
func (d described) resolve(s openapi.Schema) openapi.Schema {
	if len(s.AllOf) > 0 {
		to := d.resolve(*s.AllOf[0])
		to.Description = s.Description
		return to
	}
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return d.Components.Schemas[name]
	}
	return s
}

// fields are those of a body, the required ones first.
func (d described) fields(s openapi.Schema) (out []fieldView) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := d.resolve(*s.Properties[name])
		out = append(out, fieldView{Name: name, Kind: kindOf(p), Doc: p.Description, Required: slices.Contains(s.Required, name)})
	}
	slices.SortStableFunc(out, func(a, b fieldView) int {
		switch {
		case a.Required == b.Required:
			return 0
		case a.Required:
			return -1
		}
		return 1
	})
	return out
}

// example is a value of a schema with what has to be in it, or with one field.
func (d described) example(s openapi.Schema) any {
	s = d.resolve(s)
	switch {
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Type == "boolean":
		return true
	case s.Type == "integer", s.Type == "number":
		return 1
	case s.Type == "array":
		return []any{d.example(*s.Items)}
	case s.Type != "object":
		return "…"
	}
	out := map[string]any{}
	for _, name := range s.Required {
		out[name] = d.example(*s.Properties[name])
	}
	if len(out) == 0 {
		for _, name := range slices.Sorted(maps.Keys(s.Properties))[:1] {
			out[name] = d.example(*s.Properties[name])
		}
	}
	return out
}

// kindOf says what a value is.
func kindOf(s openapi.Schema) string {
	switch {
	case len(s.Enum) > 0:
		return strings.Join(s.Enum, " | ")
	case s.Type == "array" && s.Items != nil && len(s.Items.Enum) > 0:
		return "[" + strings.Join(s.Items.Enum, " | ") + "]"
	case s.Format != "":
		return s.Format
	case s.Ref != "" || s.Type == "":
		return "object"
	}
	return s.Type
}
