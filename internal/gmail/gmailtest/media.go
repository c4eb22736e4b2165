package gmailtest

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
)

// media serves the one-request uploads: simple (no labels possible) and
// multipart/related (metadata first, message second).
func (s *Server) media(method string) work {
	return func(w http.ResponseWriter, r *http.Request, u *user, t take) {
		via := r.URL.Query().Get("uploadType")
		tm, bad := readTerms(method, via, r.URL.Query())
		if bad != "" {
			invalid(w, bad)
			return
		}
		tm.labels = []string{}
		if via == "media" {
			if mediaType(w, r.Header.Get("Content-Type")) {
				s.whole(w, u, tm, r.Body, t)
			}
			return
		}
		kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || kind != "multipart/related" || params["boundary"] == "" {
			fail(w, http.StatusBadRequest, "badContent", "Bad Content-Type for a multipart upload", "INVALID_ARGUMENT")
			return
		}
		s.parts(w, u, tm, multipart.NewReader(r.Body, params["boundary"]), t)
	}
}

func (s *Server) parts(w http.ResponseWriter, u *user, tm terms, mr *multipart.Reader, t take) {
	malformed := func() {
		fail(w, http.StatusBadRequest, "badContent", "Malformed multipart body.", "INVALID_ARGUMENT")
	}
	meta, err := mr.NextRawPart()
	if err != nil || !strings.HasPrefix(meta.Header.Get("Content-Type"), "application/json") || readMeta(meta, &tm) != nil {
		malformed()
		return
	}
	msg, err := mr.NextRawPart()
	if err != nil {
		malformed()
		return
	}
	if !mediaType(w, msg.Header.Get("Content-Type")) {
		return
	}
	s.whole(w, u, tm, lastPart{msg, mr}, t)
}

// lastPart ends well only if nothing but the closing boundary follows.
type lastPart struct {
	*multipart.Part
	mr *multipart.Reader
}

func (p lastPart) Read(b []byte) (int, error) {
	n, err := p.Part.Read(b)
	if err == io.EOF {
		if _, e := p.mr.NextRawPart(); e != io.EOF {
			return n, io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// whole takes a message from one request and commits it at its end.
func (s *Server) whole(w http.ResponseWriter, u *user, tm terms, body io.Reader, t take) {
	buf := buffers.Get().(*[64 << 10]byte)
	defer func() {
		clear(buf[:])
		buffers.Put(buf)
	}()
	in := newIntake()
	for {
		p := buf[:]
		if t.octets >= 0 && !t.discard {
			p = p[:min(int64(len(p)), t.octets-in.n)]
		}
		if len(p) == 0 { // a fault ends the request here
			t.then(w)
			return
		}
		n, err := body.Read(p)
		in.write(p[:n])
		s.count(func(st *Stats) { st.Octets += int64(n) })
		if in.n > s.o.MaxSize {
			tooLarge(w)
			return
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			cut()
		}
	}
	if t.discard && t.then != nil {
		t.then(w)
		return
	}
	m, no := s.commit(u, tm, in)
	if no != nil {
		no.write(w)
		return
	}
	write(w, http.StatusOK, m.message(tm.fields))
}

// raw serves the form without upload: the message as base64url in JSON. It is
// the one form that is held in memory for a moment.
func (s *Server) raw(method string) work {
	return func(w http.ResponseWriter, r *http.Request, u *user, t take) {
		tm, bad := readTerms(method, "raw", r.URL.Query())
		var in struct {
			LabelIDs []string `json:"labelIds"`
			Raw      string   `json:"raw"`
		}
		err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, s.o.MaxSize*4/3+1<<20)).Decode(&in)
		if bad != "" || err != nil || in.Raw == "" {
			invalid(w, "'raw' RFC822 payload message string or uploading message via /upload/* URL required")
			return
		}
		tm.labels = append([]string{}, in.LabelIDs...)
		s.whole(w, u, tm, base64.NewDecoder(base64.RawURLEncoding, strings.NewReader(strings.TrimRight(in.Raw, "="))), t)
	}
}
