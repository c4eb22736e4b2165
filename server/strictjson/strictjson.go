// Package strictjson reads the JSON of a stranger into a Go value and refuses
// what encoding/json lets pass: a field twice (RFC 8259 section 4 leaves open
// which of them counts, so two readers of one request may disagree), a field
// that is not there or is there in another case, anything after the value,
// nesting without end, octets that are no UTF-8.
//
// What is wrong is told with the field's name and never with its value, which
// may be a password.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth bounds the nesting of a value.
const MaxDepth = 32

// Error says what is wrong, and where.
type Error struct {
	Code   string // "bad_json", "duplicate_field", "unknown_field", "wrong_type"
	Field  string // "folders[1].name"; "" is the whole value
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// Malformed reports whether it is no JSON at all, as opposed to JSON that does
// not fit.
func (e *Error) Malformed() bool { return e.Code == "bad_json" || e.Code == "duplicate_field" }

// Decode reads data into v, a pointer to a struct.
func Decode(data []byte, v any) error {
	if !utf8.Valid(data) {
		return &Error{Code: "bad_json", Detail: "the body is not UTF-8"}
	}
	w := &walker{Decoder: json.NewDecoder(bytes.NewReader(data))}
	w.UseNumber()
	if err := w.value(reflect.TypeOf(v), "", 0); err != nil {
		return err
	}
	if _, err := w.Token(); !errors.Is(err, io.EOF) {
		return &Error{Code: "bad_json", Detail: "there is something after the JSON value"}
	}
	if w.misfit != nil {
		return w.misfit
	}
	if err := json.Unmarshal(data, v); err != nil {
		return &Error{Code: "wrong_type", Detail: "the body does not have the documented form"}
	}
	return nil
}

// walker goes through a value beside its type. What is malformed ends the walk;
// what merely does not fit is told at its end.
type walker struct {
	*json.Decoder
	misfit *Error // the first
}

func (w *walker) unfit(code, field, detail string) {
	if w.misfit == nil {
		w.misfit = &Error{Code: code, Field: field, Detail: detail}
	}
}

func (w *walker) value(t reflect.Type, path string, depth int) error {
	if depth > MaxDepth {
		return &Error{Code: "bad_json", Detail: "the JSON is nested deeper than " + strconv.Itoa(MaxDepth) + " levels"}
	}
	token, err := w.Token()
	if err != nil {
		return &Error{Code: "bad_json", Detail: "the body is not one complete JSON value"}
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t != nil && reflect.PointerTo(t).Implements(unmarshaler) {
		t = nil // it sees for itself
	}
	if t != nil && token != nil && !fits(token, t) {
		w.unfit("wrong_type", path, "this must be "+kind(t))
	}
	switch token {
	case json.Delim('{'):
		err = w.object(t, path, depth)
	case json.Delim('['):
		err = w.array(t, path, depth)
	}
	return err
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// fits reports whether a value that begins with token can be read into t. It is
// looked at here because encoding/json tells less of where it was.
func fits(token json.Token, t reflect.Type) bool {
	number, isNumber := token.(json.Number)
	switch t.Kind() {
	case reflect.String:
		_, ok := token.(string)
		return ok
	case reflect.Bool:
		_, ok := token.(bool)
		return ok
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		_, err := strconv.ParseInt(number.String(), 10, t.Bits())
		return isNumber && err == nil
	case reflect.Float64:
		_, err := number.Float64()
		return isNumber && err == nil
	case reflect.Slice:
		return token == json.Delim('[')
	case reflect.Struct, reflect.Map:
		return token == json.Delim('{')
	}
	return true
}

func (w *walker) object(t reflect.Type, path string, depth int) error {
	seen := map[string]bool{}
	for w.More() {
		token, err := w.Token()
		name, ok := token.(string)
		if err != nil || !ok {
			return &Error{Code: "bad_json", Detail: "the body is not one complete JSON value"}
		}
		field := join(path, name)
		if seen[name] {
			return &Error{Code: "duplicate_field", Field: field, Detail: "the field is there twice"}
		}
		seen[name] = true
		inner, known := child(t, name)
		if !known {
			w.unfit("unknown_field", field, "there is no such field")
		}
		if err := w.value(inner, field, depth+1); err != nil {
			return err
		}
	}
	return w.end()
}

func (w *walker) array(t reflect.Type, path string, depth int) error {
	var inner reflect.Type
	if t != nil && t.Kind() == reflect.Slice {
		inner = t.Elem()
	}
	for i := 0; w.More(); i++ {
		if err := w.value(inner, path+"["+strconv.Itoa(i)+"]", depth+1); err != nil {
			return err
		}
	}
	return w.end()
}

// end takes the closing bracket.
func (w *walker) end() error {
	if _, err := w.Token(); err != nil {
		return &Error{Code: "bad_json", Detail: "the body is not one complete JSON value"}
	}
	return nil
}

// child gives the type of a field. Only a struct knows which fields there are;
// of what is no struct, encoding/json decides.
func child(t reflect.Type, name string) (reflect.Type, bool) {
	if t == nil {
		return nil, true
	}
	switch t.Kind() {
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(t) {
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if tag == name && tag != "-" {
				return f.Type, true
			}
		}
		return nil, false
	case reflect.Map:
		return t.Elem(), true
	default:
		return nil, true
	}
}

// join makes a path; a name that nobody but the sender chose is cut short.
func join(path, name string) string {
	if len(name) > 64 {
		name = strings.ToValidUTF8(name[:64], "") + "…"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func kind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.String:
		return "a string"
	default:
		return "a number in range"
	}
}
