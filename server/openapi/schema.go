package openapi

import (
	"reflect"
	"strings"
	"time"
)

// Schema is a JSON schema.
type Schema struct {
	Ref         string   `json:"$ref,omitempty"`
	Type        string   `json:"type,omitempty"`
	Format      string   `json:"format,omitempty"`
	Description string   `json:"description,omitempty"`
	Enum        []string `json:"enum,omitempty"`
	Minimum     *int     `json:"minimum,omitempty"`
	Maximum     *int     `json:"maximum,omitempty"`
	// Nullable is for readers of 3.0: in 3.1 null is allowed where there is no type.
	Nullable   bool               `json:"nullable,omitempty"`
	Items      *Schema            `json:"items,omitempty"`
	Properties map[string]*Schema `json:"properties,omitempty"`
	Required   []string           `json:"required,omitempty"`
	// Additional is false, or the schema of a map's values.
	Additional any `json:"additionalProperties,omitempty"`
	// AllOf holds a reference that has a description beside it.
	AllOf []*Schema `json:"allOf,omitempty"`
}

// Schemer is a type that says itself what it looks like.
type Schemer interface{ Schema() Schema }

var (
	timeType = reflect.TypeFor[time.Time]()
	schemer  = reflect.TypeFor[Schemer]()
)

// schemas collects the named types.
type schemas map[string]*Schema

// of gives the schema of a type, closed where it comes in a request.
func (s schemas) of(t reflect.Type, closed bool) *Schema {
	if t.Kind() == reflect.Pointer {
		return s.of(t.Elem(), closed)
	}
	switch {
	case t == timeType:
		return &Schema{Type: "string", Format: "date-time"}
	case t.Implements(schemer):
		v := reflect.Zero(t).Interface().(Schemer).Schema()
		return &v
	}
	switch t.Kind() {
	case reflect.String:
		return &Schema{Type: "string"}
	case reflect.Bool:
		return &Schema{Type: "boolean"}
	case reflect.Int, reflect.Int64:
		return &Schema{Type: "integer", Format: "int64"}
	case reflect.Float64:
		return &Schema{Type: "number", Format: "double"}
	case reflect.Slice:
		return &Schema{Type: "array", Items: s.of(t.Elem(), closed)}
	case reflect.Map:
		return &Schema{Type: "object", Additional: s.of(t.Elem(), closed)}
	case reflect.Struct:
		return s.named(t, closed)
	}
	panic("openapi: no schema for " + t.String())
}

// named gives a reference to the schema of a struct.
func (s schemas) named(t reflect.Type, closed bool) *Schema {
	if s[t.Name()] == nil {
		o := &Schema{Type: "object", Properties: map[string]*Schema{}}
		s[t.Name()] = o
		s.fields(o, t, closed)
	}
	if closed {
		s[t.Name()].Additional = false
	}
	return &Schema{Ref: "#/components/schemas/" + t.Name()}
}

func (s schemas) fields(o *Schema, t reflect.Type, closed bool) {
	for f := range t.Fields() {
		if f.Anonymous { // its fields are ours, as in encoding/json
			s.fields(o, f.Type, closed)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		o.Properties[name] = describe(s.of(f.Type, closed), f.Tag)
		if f.Type.Kind() != reflect.Pointer && !strings.Contains(options, "omit") {
			o.Required = append(o.Required, name)
		}
	}
}

// describe adds what the tags say.
func describe(p *Schema, tag reflect.StructTag) *Schema {
	if words := tag.Get("enum"); words != "" {
		at := p
		if p.Type == "array" {
			at = p.Items
		}
		at.Enum = strings.Split(words, ",")
	}
	if f := tag.Get("format"); f != "" {
		p.Format = f
	}
	doc := tag.Get("doc")
	if doc == "" {
		return p
	}
	if p.Ref != "" {
		return &Schema{AllOf: []*Schema{p}, Description: doc}
	}
	p.Description = doc
	return p
}
