package openapi

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// Operation is one call.
type Operation struct {
	Method  string
	Path    string // with {names} of parameters
	ID      string
	Tag     string
	Summary string
	Doc     string
	Params  []Param
	Body    reflect.Type // nil: none
	Form    bool         // the body is a form
	Octets  string       // the body is a file: its content type
	Answers []Answer
	// Session and Token say who may call, Scope what a token needs. Neither: everybody.
	Session, Token bool
	Scope          string
}

// Param is a parameter in path, query or header.
type Param struct {
	Name     string
	In       string
	Doc      string
	Required bool
	Schema   Schema
}

// Answer is one answer.
type Answer struct {
	Status  int
	Doc     string
	Body    reflect.Type // nil: none
	Types   []string     // of content; the first has the schema of Body, others are text
	Headers []string
}

// Info is about the whole.
type Info struct {
	Title, Version, Description string
	Cookie                      string       // the session's
	Problem                     reflect.Type // the body of every error
}

type object map[string]any

// Document writes the document.
func Document(info Info, ops []Operation) ([]byte, error) {
	all := schemas{}
	problem := all.of(info.Problem, false)
	paths := map[string]object{}
	for _, o := range ops {
		if paths[o.Path] == nil {
			paths[o.Path] = object{}
		}
		paths[o.Path][strings.ToLower(o.Method)] = all.operation(o)
	}
	return json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info":    object{"title": info.Title, "version": info.Version, "description": info.Description},
		"servers": []object{{"url": "/"}},
		"paths":   paths,
		"components": object{
			"schemas": all,
			"securitySchemes": object{
				"session": object{"type": "apiKey", "in": "cookie", "name": info.Cookie, "description": "A web session. Unsafe requests need X-CSRF-Token too."},
				"token":   object{"type": "http", "scheme": "bearer", "description": "An API token with scopes."},
			},
			"responses": object{"Problem": object{"description": "An error (RFC 9457).",
				"content": object{"application/problem+json": object{"schema": problem}}}},
		},
	}, "", "  ")
}

func (s schemas) operation(o Operation) object {
	out := object{"operationId": o.ID, "summary": o.Summary, "tags": []string{o.Tag}}
	if o.Doc != "" {
		out["description"] = o.Doc
	}
	if params := s.params(o); len(params) > 0 {
		out["parameters"] = params
	}
	if o.Body != nil {
		kind := "application/json"
		if o.Form {
			kind = "application/x-www-form-urlencoded"
		}
		out["requestBody"] = object{"required": true, "content": object{kind: object{"schema": s.of(o.Body, true)}}}
	}
	if o.Octets != "" {
		out["requestBody"] = object{"required": true, "content": object{o.Octets: object{"schema": Schema{Type: "string", Format: "binary"}}}}
	}
	security := []object{}
	if o.Session {
		security = append(security, object{"session": []string{}})
	}
	if o.Token {
		scopes := []string{}
		if o.Scope != "" {
			scopes = append(scopes, o.Scope)
		}
		security = append(security, object{"token": scopes})
	}
	out["security"] = security
	answers := object{"default": object{"$ref": "#/components/responses/Problem"}}
	for _, a := range o.Answers {
		answers[strconv.Itoa(a.Status)] = s.answer(a)
	}
	out["responses"] = answers
	return out
}

var inPath = regexp.MustCompile(`\{(\w+)\}`)

func (s schemas) params(o Operation) (out []object) {
	for _, m := range inPath.FindAllStringSubmatch(o.Path, -1) {
		out = append(out, object{"name": m[1], "in": "path", "required": true, "schema": Schema{Type: "string"}})
	}
	for _, p := range o.Params {
		one := object{"name": p.Name, "in": p.In, "schema": p.Schema}
		if p.Doc != "" {
			one["description"] = p.Doc
		}
		if p.Required {
			one["required"] = true
		}
		out = append(out, one)
	}
	return out
}

func (s schemas) answer(a Answer) object {
	out := object{"description": a.Doc}
	if len(a.Headers) > 0 {
		headers := object{}
		for _, h := range a.Headers {
			headers[h] = object{"schema": Schema{Type: "string"}}
		}
		out["headers"] = headers
	}
	content := object{}
	if a.Body != nil {
		kind := "application/json"
		if len(a.Types) > 0 {
			kind = a.Types[0]
		}
		content[kind] = object{"schema": s.of(a.Body, false)}
	}
	for i, kind := range a.Types {
		if i > 0 || a.Body == nil {
			content[kind] = object{"schema": Schema{Type: "string"}}
		}
	}
	if len(content) > 0 {
		out["content"] = content
	}
	return out
}
