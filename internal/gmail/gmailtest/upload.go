package gmailtest

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// upload serves the upload address of import or insert: it starts an upload,
// or carries on with the session named in the address.
func (s *Server) upload(method string) http.HandlerFunc {
	open, media := s.handle(Open, s.start(method)), s.handle(Media, s.media(method))
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		switch {
		case q.Get("upload_id") != "":
			s.resume(w, r, q)
		case r.Method != http.MethodPost:
			fail(w, http.StatusMethodNotAllowed, "httpMethodNotAllowed", "Method Not Allowed", "")
		case q.Get("uploadType") == "resumable":
			open(w, r)
		case q.Get("uploadType") == "multipart", q.Get("uploadType") == "media":
			media(w, r)
		default:
			invalid(w, "Invalid uploadType")
		}
	}
}

// work is a request that has passed authentication and quotas.
type work func(w http.ResponseWriter, r *http.Request, u *user, t take)

// handle authenticates, applies quotas and faults, then lets h work.
func (s *Server) handle(at Point, h work) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		u, scopes, ok := s.bearer(r)
		req := Request{At: at, Length: r.ContentLength, Total: -1}
		if ok {
			req.User = u.email
		}
		f, _ := s.faultFor(req)
		s.befall(w, r, f, func(w http.ResponseWriter, t take) {
			switch {
			case !ok || r.PathValue("user") != "me" && r.PathValue("user") != u.email:
				unauthorized(w)
			case !allowed(at, r.Method, scopes):
				insufficient(w)
			default:
				done := s.admit(w, u, at, r)
				if done == nil {
					return
				}
				defer done()
				h(w, r, u, t)
			}
		})
	}
}

// allowed: the scopes that suffice (facts 1).
func allowed(at Point, method string, scopes []string) bool {
	need := []string{ScopeInsert, scopeModify, scopeFull}
	if at == Label {
		need = []string{ScopeLabels, scopeModify, scopeFull}
		if method == http.MethodGet {
			need = append(need, scopePrefix+"gmail.metadata", scopePrefix+"gmail.readonly")
		}
	}
	return slices.ContainsFunc(scopes, func(sc string) bool { return slices.Contains(need, sc) })
}

// readTerms reads the query of an upload; bad is what is wrong with it.
func readTerms(method, via string, q url.Values) (t terms, bad string) {
	t = terms{method: method, via: via, dateSource: "dateHeader"}
	if method == "insert" {
		t.dateSource = "receivedTime"
	}
	if v := q.Get("internalDateSource"); v != "" {
		if v != "dateHeader" && v != "receivedTime" {
			return t, "Invalid value at 'internal_date_source'"
		}
		t.dateSource = v
	}
	for name, to := range map[string]*bool{"neverMarkSpam": &t.neverSpam, "processForCalendar": &t.calendar, "deleted": &t.deleted} {
		if v := q.Get(name); v != "" {
			b, err := strconv.ParseBool(v)
			if err != nil {
				return t, "Invalid value at '" + name + "'"
			}
			*to = b
		}
	}
	if v := q.Get("fields"); v != "" {
		t.fields = strings.Split(v, ",")
	}
	return t, ""
}

// readMeta reads the JSON part of an upload: the labels.
func readMeta(r io.Reader, t *terms) error {
	var meta struct {
		LabelIDs []string `json:"labelIds"`
	}
	b, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err == nil && len(b) > 0 {
		err = json.Unmarshal(b, &meta)
	}
	t.labels = meta.LabelIDs
	if t.labels == nil {
		t.labels = []string{}
	}
	return err
}

// mediaType checks the type of a message.
func mediaType(w http.ResponseWriter, v string) bool {
	if m, _, err := mime.ParseMediaType(v); err == nil && strings.HasPrefix(m, "message/") {
		return true
	}
	fail(w, http.StatusBadRequest, "badContent", "Media type '"+v+"' is not supported. Valid media types: [message/*]", "INVALID_ARGUMENT")
	return false
}

func tooLarge(w http.ResponseWriter) {
	fail(w, http.StatusRequestEntityTooLarge, "uploadTooLarge", "Request Entity Too Large", "")
}

// start opens a resumable session (facts 3.4, step 1). It imports nothing.
func (s *Server) start(method string) work {
	return func(w http.ResponseWriter, r *http.Request, u *user, t take) {
		tm, bad := readTerms(method, "resumable", r.URL.Query())
		if bad != "" {
			invalid(w, bad)
			return
		}
		if !mediaType(w, r.Header.Get("X-Upload-Content-Type")) {
			return
		}
		declared := int64(-1)
		if v := r.Header.Get("X-Upload-Content-Length"); v != "" {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n < 0 {
				invalid(w, "Invalid X-Upload-Content-Length")
				return
			}
			if declared = n; n > s.o.MaxSize {
				tooLarge(w)
				return
			}
		}
		if err := readMeta(r.Body, &tm); err != nil {
			fail(w, http.StatusBadRequest, "parseError", "Parse Error", "INVALID_ARGUMENT")
			return
		}
		s.mu.Lock()
		bad = u.badLabel(tm.labels)
		s.mu.Unlock()
		if bad != "" {
			invalid(w, bad)
			return
		}
		w.Header().Set("Location", s.newSession(r, u, tm, declared))
		w.Header().Set("X-GUploader-UploadID", "double")
		w.WriteHeader(http.StatusOK)
	}
}
