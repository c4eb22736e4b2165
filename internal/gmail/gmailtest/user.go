package gmailtest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

const scopePrefix = "https://www.googleapis.com/auth/"

// Scopes.
const (
	ScopeInsert = scopePrefix + "gmail.insert"
	ScopeLabels = scopePrefix + "gmail.labels"
	scopeModify = scopePrefix + "gmail.modify"
	scopeFull   = "https://mail.google.com/"
)

// user is one Google account.
type user struct {
	email    string
	sub      string
	messages []Stored
	byMsgID  map[string]int // Message-ID -> index, for de-duplication
	labels   []*label
	nextID   int
	inFlight int
}

// AddUser makes an account; a second time it changes nothing.
func (s *Server) AddUser(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addUser(email)
}

func (s *Server) addUser(email string) *user {
	u := s.users[email]
	if u == nil {
		sum := sha256.Sum256([]byte(email))
		u = &user{email: email, sub: fmt.Sprintf("1%020d", binary.BigEndian.Uint64(sum[:])),
			byMsgID: map[string]int{}, labels: systemLabels(), nextID: 1}
		s.users[email] = u
	}
	return u
}

// Sub gives the stable id of an account.
func (s *Server) Sub(email string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addUser(email).sub
}

// Stored is one message in the double: everything but its octets.
type Stored struct {
	ID                 string    `json:"id"`
	ThreadID           string    `json:"thread_id"`
	SHA256             string    `json:"sha256"` // hex
	Size               int64     `json:"size"`
	Labels             []string  `json:"labels"`
	InternalDateSource string    `json:"internal_date_source"`
	NeverMarkSpam      bool      `json:"never_mark_spam"`
	Calendar           bool      `json:"calendar"`
	Deleted            bool      `json:"deleted"`
	FromOK             bool      `json:"from_ok"` // exactly one usable From
	HasMessageID       bool      `json:"has_message_id"`
	Method             string    `json:"method"` // import or insert
	Via                string    `json:"via"`    // resumable, multipart, media or raw
	At                 time.Time `json:"at"`
}

// Messages gives what has arrived at an account, in order of arrival.
func (s *Server) Messages(email string) []Stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.users[email]; u != nil {
		return slices.Clone(u.messages)
	}
	return nil
}

// Count gives the number of messages of an account.
func (s *Server) Count(email string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.users[email]; u != nil {
		return len(u.messages)
	}
	return 0
}

// Hashes gives, for each SHA-256 in hex, how many copies have arrived.
func (s *Server) Hashes(email string) map[string]int {
	m := map[string]int{}
	for _, msg := range s.Messages(email) {
		m[msg.SHA256]++
	}
	return m
}

// Stats counts what the double has seen.
type Stats struct {
	Requests    map[Point]int `json:"requests"`
	Statuses    map[int]int   `json:"statuses"` // 0: cut without an answer
	Octets      int64         `json:"octets"`   // of message bodies read, repetitions included
	Committed   int           `json:"committed"`
	Suppressed  int           `json:"suppressed"` // by Message-ID
	Refused     int           `json:"refused"`    // by From, label or size at the end of an upload
	Gaps        int           `json:"gaps"`       // chunks that began beyond what the session had
	RateRefused int           `json:"rate_refused"`
	MaxInFlight int           `json:"max_in_flight"` // of one user
	Units       int64         `json:"units"`
}

// Stats gives the counters so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Requests, st.Statuses = map[Point]int{}, map[int]int{}
	maps.Copy(st.Requests, s.stats.Requests)
	maps.Copy(st.Statuses, s.stats.Statuses)
	return st
}

// terms is what was asked for when an upload began.
type terms struct {
	method, via                  string
	labels                       []string
	dateSource                   string
	neverSpam, calendar, deleted bool
	fields                       []string
}

// message is the JSON resource of a stored message, cut down to fields.
func (m Stored) message(fields []string) map[string]any {
	all := map[string]any{"id": m.ID, "threadId": m.ThreadID, "labelIds": m.Labels, "snippet": "",
		"historyId": fmt.Sprint(1000 + m.At.Unix()%1000000), "internalDate": fmt.Sprint(m.At.UnixMilli()), "sizeEstimate": m.Size}
	if len(fields) == 0 {
		return all
	}
	some := map[string]any{}
	for _, f := range fields {
		if v, ok := all[f]; ok {
			some[f] = v
		}
	}
	return some
}

// refusal is a 400 that an upload ends with.
type refusal struct{ message string }

func (r refusal) write(w http.ResponseWriter) { invalid(w, r.message) }

// commit puts a complete message into the account, or says why not.
func (s *Server) commit(u *user, t terms, in *intake) (Stored, *refusal) {
	head := scanHead(in.head)
	s.mu.Lock()
	defer s.mu.Unlock()
	if bad := u.badLabel(t.labels); bad != "" {
		s.stats.Refused++
		return Stored{}, &refusal{bad}
	}
	if s.o.CheckFrom && t.method == "import" && head.from != nil {
		s.stats.Refused++
		return Stored{}, head.from
	}
	if i, ok := u.byMsgID[head.messageID]; ok && s.o.Dedup && t.method == "import" && head.messageID != "" {
		m := &u.messages[i]
		for _, l := range t.labels {
			if !slices.Contains(m.Labels, l) {
				m.Labels = append(slices.Clip(m.Labels), l)
			}
		}
		s.stats.Suppressed++
		return *m, nil
	}
	s.serial++
	id := fmt.Sprintf("%016x", s.serial)
	m := Stored{ID: id, ThreadID: id, SHA256: hex.EncodeToString(in.hash.Sum(nil)), Size: in.n, Labels: slices.Clone(t.labels),
		InternalDateSource: t.dateSource, NeverMarkSpam: t.neverSpam, Calendar: t.calendar, Deleted: t.deleted,
		FromOK: head.from == nil, HasMessageID: head.messageID != "", Method: t.method, Via: t.via, At: time.Now()}
	if head.messageID != "" && s.o.Dedup {
		u.byMsgID[strings.Clone(head.messageID)] = len(u.messages)
	}
	u.messages = append(u.messages, m)
	s.stats.Committed++
	s.quota.carried(u.email, in.n, time.Now())
	return m, nil
}
