package report

import (
	_ "embed"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	// The drawing escapes its own text.
	"svg": func(c Chart) template.HTML { return template.HTML(c.SVG()) },
}).Parse(pageText))

// HTML writes the results as one page that needs nothing else.
func HTML(w io.Writer, results []Result) error {
	return page.Execute(w, results)
}
