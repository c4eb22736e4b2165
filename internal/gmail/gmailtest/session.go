package gmailtest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// chunkAlign: every chunk but the last is a multiple of it.
const chunkAlign = 256 << 10

// session is one resumable upload. All but the first block belongs to whoever
// holds turn: requests to one session are carried out one after another.
type session struct {
	user     *user
	terms    terms
	declared int64 // X-Upload-Content-Length, -1 without
	born     time.Time
	turn     chan struct{}

	in      *intake // nil once it has ended
	total   int64   // -1 until a request named it
	done    *Stored
	refused *refusal
	tooBig  bool
}

// newSession gives the session URI: on another path than the one asked, 700 to
// 900 characters long, a bearer capability.
func (s *Server) newSession(r *http.Request, u *user, t terms, declared int64) string {
	id := "A" + strings.Repeat(rand.Text(), 4) + "_-" // ~107 characters
	s.mu.Lock()
	s.sessions[id] = &session{user: u, terms: t, declared: declared, born: time.Now(), turn: make(chan struct{}, 1), in: newIntake(), total: declared}
	s.mu.Unlock()
	path := "/resumable" + strings.TrimPrefix(r.URL.Path, "/resumable")
	q := r.URL.Query()
	q.Set("upload_id", id)
	q.Set("session_crd", s.credential(id))
	return s.base(r) + path + "?" + q.Encode()
}

// credential is the second, longer part of a session URI: ~540 characters.
func (s *Server) credential(id string) string {
	sum := sha256.Sum256([]byte(s.secret + id))
	return "gASy" + strings.Repeat(hex.EncodeToString(sum[:]), 8) + "%3D="
}

// find gives the session of an address, if it is alive and the address whole.
func (s *Server) find(q url.Values) *session {
	id := q.Get("upload_id")
	s.mu.Lock()
	defer s.mu.Unlock()
	ses := s.sessions[id]
	if ses == nil || q.Get("session_crd") != s.credential(id) {
		return nil
	}
	if time.Since(ses.born) > s.o.SessionLife {
		delete(s.sessions, id)
		return nil
	}
	return ses
}

func (s *Server) forget(q url.Values) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, q.Get("upload_id"))
}

// ExpireSessions forgets all upload sessions, committed or not.
func (s *Server) ExpireSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}

// resume serves the address of a session.
func (s *Server) resume(w http.ResponseWriter, r *http.Request, q url.Values) {
	at := Put
	if strings.HasPrefix(r.Header.Get("Content-Range"), "bytes */") {
		at = Query
	}
	u, scopes, ok := s.bearer(r)
	sp, bad := parseSpan(r)
	req := Request{At: at, Offset: sp.from, Length: sp.n, Total: sp.total}
	if ok {
		req.User = u.email
	}
	f, _ := s.faultFor(req)
	s.befall(w, r, f, func(w http.ResponseWriter, t take) {
		ses := s.find(q)
		switch {
		case !ok:
			unauthorized(w)
		case !allowed(at, r.Method, scopes):
			insufficient(w)
		case t.expire:
			s.forget(q)
			gone(w)
		case ses == nil || ses.user != u:
			gone(w)
		case r.Method == http.MethodDelete:
			s.forget(q)
			w.WriteHeader(499)
		case r.Method != http.MethodPut && r.Method != http.MethodPost:
			fail(w, http.StatusMethodNotAllowed, "httpMethodNotAllowed", "Method Not Allowed", "")
		default:
			done := s.admit(w, u, at, r)
			if done == nil {
				return
			}
			defer done()
			select {
			case ses.turn <- struct{}{}:
				defer func() { <-ses.turn }()
				s.carryOn(w, r, ses, sp, bad, t)
			case <-r.Context().Done():
				cut()
			}
		}
	})
}

func gone(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte("<html><title>Error 404</title><p>The upload session is not known.</html>"))
}
