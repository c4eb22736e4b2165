package gmailtest

import (
	"net/http"
	"time"
)

// Point is where in the protocol a request stands.
type Point string

// The points at which requests are counted and faults happen.
const (
	Open      Point = "open"  // a resumable session is started
	Put       Point = "put"   // octets of a session
	Query     Point = "query" // a session is asked, without octets
	Media     Point = "media" // simple, multipart and raw uploads
	Label     Point = "label"
	Authorize Point = "authorize"
	Token     Point = "token"
	Revoke    Point = "revoke"
	Certs     Point = "certs" // the published signing keys
)

// Kind is what goes wrong.
type Kind string

// The kinds. Octets are counted within the request's body; those that were
// taken stay in the session as a real server might keep them, to the octet.
const (
	Answer           Kind = "answer"             // Status, Header, Body at once; nothing is done, the body is not read
	Drop             Kind = "drop"               // the connection is cut at once
	DropAfter        Kind = "drop_after"         // Octets are taken, then the connection is cut
	AnswerAfter      Kind = "answer_after"       // Octets are taken, then Status is answered while the rest may still come
	ReadThenAnswer   Kind = "read_then_answer"   // the whole body is read and forgotten, then Status
	Partial          Kind = "partial"            // Octets are taken, the rest is read and forgotten; 308
	CommitThenDrop   Kind = "commit_then_drop"   // everything is done, the answer is never sent
	CommitThenAnswer Kind = "commit_then_answer" // everything is done, Status is answered
	Delay            Kind = "delay"              // Delay, then as usual
	Expire           Kind = "expire"             // the session is forgotten: 404 from now on
	Slow             Kind = "slow"               // Delay before each 64 KiB of the body
)

// Fault is one rule. It hits requests at At (of User, if given; with the
// message's last octet, if Last), after leaving Skip of them alone, Times times.
type Fault struct {
	At      Point             `json:"at"`
	Kind    Kind              `json:"kind"`
	User    string            `json:"user,omitempty"`
	Last    bool              `json:"last,omitempty"`
	Skip    int               `json:"skip,omitempty"`
	Times   int               `json:"times,omitempty"` // 0 is once, -1 for ever
	Status  int               `json:"status,omitempty"`
	Header  map[string]string `json:"header,omitempty"`
	Body    string            `json:"body,omitempty"`
	Octets  int64             `json:"octets,omitempty"`
	DelayMS int64             `json:"delay_ms,omitempty"`
}

// Request is what a fault function sees.
type Request struct {
	At     Point
	User   string // address; "" where the request does not tell
	N      int    // how many requests this point has seen, this one included
	Offset int64  // of a Put
	Length int64
	Total  int64 // -1 while unknown
}

// Last reports whether the request carries the message's last octet.
func (r Request) Last() bool { return r.At == Media || r.Total >= 0 && r.Offset+r.Length == r.Total }

// Next adds a rule; rules are tried in the order in which they were added.
func (s *Server) Next(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, &f)
}

// Fault sets a function that is asked first, one request at a time; nil takes
// it away. It must not call the Server.
func (s *Server) Fault(f func(Request) (Fault, bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

// ClearFaults forgets all rules.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook, s.queue = nil, nil
}

// faultFor counts the request and finds what befalls it.
func (s *Server) faultFor(r Request) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Requests[r.At]++
	r.N = s.stats.Requests[r.At]
	if s.hook != nil {
		if f, ok := s.hook(r); ok {
			return f, true
		}
	}
	for i, f := range s.queue {
		switch {
		case f.At != r.At, f.User != "" && f.User != r.User, f.Last && !r.Last():
		case f.Skip > 0:
			f.Skip--
		default:
			hit := *f
			if f.Times--; f.Times == 0 {
				s.queue = append(s.queue[:i:i], s.queue[i+1:]...)
			}
			return hit, true
		}
	}
	return Fault{}, false
}

// befall carries out the part of a fault that surrounds the work. Faults
// within a body are left to work, which gets them in t.
func (s *Server) befall(w http.ResponseWriter, r *http.Request, f Fault, work func(w http.ResponseWriter, t take)) {
	whole := take{octets: -1}
	switch f.Kind {
	case "":
		work(w, whole)
	case Delay:
		t := time.NewTimer(time.Duration(f.DelayMS) * time.Millisecond)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done(): // what has arrived is carried out all the same
		case <-s.closed:
			cut()
		}
		work(w, whole)
	case Drop:
		cut()
	case Answer:
		f.answer(w)
	case CommitThenDrop:
		work(&sink{header: http.Header{}}, whole)
		cut()
	case CommitThenAnswer:
		work(&sink{header: http.Header{}}, whole)
		f.answer(w)
	case DropAfter:
		work(w, take{octets: f.Octets, then: func(http.ResponseWriter) { cut() }})
		cut()
	case AnswerAfter:
		work(w, take{octets: f.Octets, then: f.answer})
	case Partial:
		work(w, take{octets: f.Octets, discard: true})
	case ReadThenAnswer:
		work(w, take{discard: true, then: f.answer})
	case Expire:
		work(w, take{expire: true})
	case Slow:
		work(w, take{octets: -1, pause: time.Duration(f.DelayMS) * time.Millisecond})
	default:
		panic("gmailtest: unknown kind of fault " + string(f.Kind))
	}
}

// take is what happens within a body: octets of it are taken (-1: all), the
// rest is read and forgotten if discard, and then comes instead of the answer.
type take struct {
	octets  int64
	discard bool
	expire  bool
	pause   time.Duration // before each read
	then    func(http.ResponseWriter)
}

func (f Fault) answer(w http.ResponseWriter) {
	for k, v := range f.Header {
		w.Header().Set(k, v)
	}
	if f.Body == "" {
		fail(w, f.Status, "backendError", "Backend Error", "")
	} else {
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
	}
	_ = http.NewResponseController(w).Flush() // now, even if the body is still coming
}

// cut ends the connection (HTTP/2: the stream) without an answer.
func cut() { panic(http.ErrAbortHandler) }

// sink is an answer that nobody gets.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header       { return s.header }
func (*sink) Write(b []byte) (int, error) { return len(b), nil }
func (*sink) WriteHeader(int)             {}
