package server

import "net/http"

// Test answers a request in memory.
func (s *Service) Test(r *http.Request) (*http.Response, error) { return s.app.Test(r, -1) }

// Row is what a test may know of a route.
type Row struct {
	Method, Path, ID string
	Body, Page       bool
	Person, Personal bool
	Scope            string
	Free             bool
}

// Rows gives the table.
func (s *Service) Rows() (out []Row) {
	for _, r := range s.routes {
		out = append(out, Row{r.method, r.path, r.id, r.do.body != nil, r.page, r.access == person, r.access == personal, r.scope, r.rate == free})
	}
	return out
}

// Document gives the OpenAPI document.
func (s *Service) Document() []byte { return s.document }

// Streams is how many event streams are open.
func (s *Service) Streams() int { return s.hub.Streams() }

// Proofs gives the tests that the page of promises names: folder and name.
func Proofs() (out [][2]string) {
	for _, p := range promises() {
		for _, o := range p.Tests {
			out = append(out, [2]string{o.Dir, o.Name})
		}
	}
	return out
}
