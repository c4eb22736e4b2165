package server

import (
	"errors"
	"html/template"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// form reads the fields of a form. What is there twice counts once, but for
// lists.
func (c *call) form() (url.Values, error) {
	kind, _, _ := strings.Cut(c.Get(fiber.HeaderContentType), ";")
	if len(c.Body()) > 0 && !strings.EqualFold(strings.TrimSpace(kind), fiber.MIMEApplicationForm) {
		return nil, api.Fail(fiber.StatusUnsupportedMediaType, "form_required", "this page takes a form")
	}
	v, err := url.ParseQuery(string(c.Body()))
	if err != nil {
		return nil, api.Fail(fiber.StatusBadRequest, "bad_form", "the form is not well-formed")
	}
	return v, nil
}

// wrong is a fault of a form, for the summary on its top and beside its field.
type wrong struct {
	ID   string // of the field on the page; "": of none
	Name string // of the field, as api.Fault has it
	Lead string // what the page calls the field, where the Text alone does not say
	Text string
	Help string
}

// Attr are the attributes of a field that is wrong.
func (w wrong) Attr() template.HTMLAttr { return w.With("") }

// With are those of a field that has a hint, which has that id.
func (w wrong) With(hint string) template.HTMLAttr {
	switch { // ids are our own: no user has a part in them
	case w.Text != "":
		return template.HTMLAttr(`aria-invalid="true" aria-describedby="` + strings.TrimSpace(w.ID+"-wrong "+hint) + `"`)
	case hint != "":
		return template.HTMLAttr(`aria-describedby="` + hint + `"`)
	}
	return ""
}

// wrongs are all faults of a form.
type wrongs []wrong

// At gives what is wrong with a field; without a Text nothing is.
func (w wrongs) At(name string) wrong {
	for _, o := range w {
		if o.Name == name {
			return o
		}
	}
	return wrong{ID: fieldID(name), Name: name}
}

// faultsOf takes the faults of a form out of an error; any other error is left.
// rename may give the field another place on the page.
func faultsOf(err error, rename func(string) string) (wrongs, error) {
	if err == nil {
		return nil, nil
	}
	e, ok := errors.AsType[*api.Error](err)
	if !ok || len(e.Faults) == 0 {
		return nil, err
	}
	var out wrongs
	for _, f := range e.Faults {
		name := f.Field
		if rename != nil {
			name = rename(name)
		}
		out = append(out, wrong{ID: fieldID(name), Name: name, Lead: called(name), Text: sentence(f.Detail), Help: sentence(f.Help)})
	}
	return out, nil
}

// saidBy makes the one fault of an error that was made to be shown, with the
// field that it is about; any other error is left.
func saidBy(err error, field string) (wrongs, error) {
	p := problem(err)
	if p.Status >= fiber.StatusInternalServerError && p.Code == "internal" || p.Status == fiber.StatusNotFound {
		return nil, err
	}
	return wrongs{{ID: fieldID(field), Name: field, Text: sentence(p.Detail), Help: sentence(p.Help)}}, nil
}

// called gives what the page calls a field: of folders[0].label, the label.
func called(name string) string {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if s := text.Word("field", last); s != last {
		return s
	}
	return ""
}

// fieldID is the id on the page of the field of a name: folders[0].label is
// folders-0-label.
func fieldID(name string) string {
	return strings.NewReplacer("[", "-", "]", "", ".", "-").Replace(name)
}

// sentence gives what an error says as a sentence of a page.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	if word, _, _ := strings.Cut(s, " "); !strings.ContainsAny(word, ".@") { // a host name is written as it is
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if strings.HasSuffix(s, ".") || strings.HasSuffix(s, "?") || strings.HasSuffix(s, "!") {
		return s
	}
	return s + "."
}
