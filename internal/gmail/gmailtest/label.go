package gmailtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

type label struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Type  string `json:"type"`
	List  string `json:"labelListVisibility,omitempty"`
	Shown string `json:"messageListVisibility,omitempty"`
	Color any    `json:"color,omitempty"`
}

func systemLabels() (all []*label) {
	for id := range strings.FieldsSeq("INBOX UNREAD STARRED IMPORTANT SPAM TRASH SENT DRAFT CHAT CATEGORY_PERSONAL CATEGORY_SOCIAL CATEGORY_PROMOTIONS CATEGORY_UPDATES CATEGORY_FORUMS") {
		all = append(all, &label{ID: id, Name: id, Type: "system"})
	}
	return all
}

func (u *user) label(id string) *label {
	i := slices.IndexFunc(u.labels, func(l *label) bool { return l.ID == id })
	if i < 0 {
		return nil
	}
	return u.labels[i]
}

func (u *user) labelNamed(name string) *label {
	i := slices.IndexFunc(u.labels, func(l *label) bool { return strings.EqualFold(l.Name, name) })
	if i < 0 {
		return nil
	}
	return u.labels[i]
}

// badLabel gives the refusal for labels that a message cannot have.
func (u *user) badLabel(ids []string) string {
	for _, id := range ids {
		switch l := u.label(id); {
		case id == "SENT" || id == "DRAFT" || id == "CHAT":
			return "Invalid label: " + id
		case l == nil:
			return "labelId not found"
		}
	}
	return ""
}

// DeleteLabel deletes a label, as its owner would in Gmail.
func (s *Server) DeleteLabel(email, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.addUser(email)
	u.labels = slices.DeleteFunc(u.labels, func(l *label) bool { return l.ID == id })
}

// Labels gives the user-made labels of an account, id by name.
func (s *Server) Labels(email string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := map[string]string{}
	for _, l := range s.addUser(email).labels {
		if l.Type == "user" {
			m[l.Name] = l.ID
		}
	}
	return m
}

func (s *Server) labelRoutes() {
	const all, one = "/gmail/v1/users/{user}/labels", "/gmail/v1/users/{user}/labels/{id}"
	locked := func(h func(w http.ResponseWriter, r *http.Request, u *user)) http.HandlerFunc {
		return s.handle(Label, func(w http.ResponseWriter, r *http.Request, u *user, _ take) {
			s.mu.Lock()
			defer s.mu.Unlock()
			h(w, r, u)
		})
	}
	s.mux.HandleFunc("GET "+all, locked(func(w http.ResponseWriter, _ *http.Request, u *user) {
		write(w, http.StatusOK, map[string]any{"labels": u.labels})
	}))
	s.mux.HandleFunc("POST "+all, locked(createLabel))
	s.mux.HandleFunc("GET "+one, locked(func(w http.ResponseWriter, r *http.Request, u *user) {
		if l := u.label(r.PathValue("id")); l != nil {
			write(w, http.StatusOK, l)
			return
		}
		fail(w, http.StatusNotFound, "notFound", "Requested entity was not found.", "NOT_FOUND")
	}))
	s.mux.HandleFunc("PATCH "+one, locked(changeLabel))
	s.mux.HandleFunc("PUT "+one, locked(changeLabel))
	s.mux.HandleFunc("DELETE "+one, locked(func(w http.ResponseWriter, r *http.Request, u *user) {
		l := u.label(r.PathValue("id"))
		if l == nil || l.Type == "system" {
			invalid(w, "Invalid delete request")
			return
		}
		u.labels = slices.DeleteFunc(u.labels, func(x *label) bool { return x == l })
		w.WriteHeader(http.StatusNoContent)
	}))
}

func readLabel(w http.ResponseWriter, r *http.Request) (l label, ok bool) {
	b, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil || json.Unmarshal(b, &l) != nil {
		fail(w, http.StatusBadRequest, "parseError", "Parse Error", "INVALID_ARGUMENT")
		return l, false
	}
	return l, true
}

func createLabel(w http.ResponseWriter, r *http.Request, u *user) {
	in, ok := readLabel(w, r)
	switch old := u.labelNamed(in.Name); {
	case !ok:
	case strings.TrimSpace(in.Name) == "" || len(in.Name) > 225 || old != nil && old.Type == "system":
		invalid(w, "Invalid label name")
	case old != nil:
		fail(w, http.StatusConflict, "aborted", "Label name exists or conflicts", "ABORTED")
	default:
		in.ID, in.Type = fmt.Sprintf("Label_%d", u.nextID), "user"
		u.nextID++
		u.labels = append(u.labels, &in)
		write(w, http.StatusOK, &in)
	}
}

func changeLabel(w http.ResponseWriter, r *http.Request, u *user) {
	l := u.label(r.PathValue("id"))
	if l == nil || l.Type == "system" {
		invalid(w, "Invalid label id")
		return
	}
	in, ok := readLabel(w, r)
	if !ok {
		return
	}
	if in.Name != "" && in.Name != l.Name {
		if o := u.labelNamed(in.Name); o != nil && o != l {
			fail(w, http.StatusConflict, "aborted", "Label name exists or conflicts", "ABORTED")
			return
		}
		l.Name = in.Name
	}
	write(w, http.StatusOK, l)
}
