package gmailtest

import (
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
	"time"
)

// MaxSize is what Gmail takes at most: 150 MiB.
const MaxSize = 157_286_400

// Options of a double. The zero value is a Gmail that takes everything it is
// documented to take, knows no quota and shows every double.
type Options struct {
	URL          string        // public base address; "" derives it from each request's Host
	CheckFrom    bool          // refuse messages without exactly one usable From
	Dedup        bool          // suppress a second import with the same Message-ID, merging labels
	MaxSize      int64         // 0 is MaxSize
	SessionLife  time.Duration // 0 is a week
	TokenLife    time.Duration // 0 is 3,599 seconds
	Granularity  int64         // octets of a broken chunk are kept in multiples of it; 0 is 256 KiB
	ClientID     string        // "" is DefaultClientID
	ClientSecret string        // "" is DefaultClientSecret
	Quota        Quota
}

// Credentials of the OAuth client that the double knows by default.
const (
	DefaultClientID     = "double-client"
	DefaultClientSecret = "double-secret"
)

// Server is the double. It may be used by many goroutines at once.
type Server struct {
	o    Options
	mux  *http.ServeMux
	keys keys

	closed chan struct{} // ends delays
	close  sync.Once

	mu       sync.Mutex // guards all below; never held while a body is read
	secret   string     // makes session URIs of this double
	users    map[string]*user
	sessions map[string]*session
	oauth    oauth
	quota    quota
	consent  Consent
	tamper   func(header, claims map[string]any)
	hook     func(Request) (Fault, bool)
	queue    []*Fault
	stats    Stats
	serial   uint64
}

// New makes a double. It is an http.Handler and starts nothing.
func New(o Options) *Server {
	if o.MaxSize == 0 {
		o.MaxSize = MaxSize
	}
	if o.SessionLife == 0 {
		o.SessionLife = 7 * 24 * time.Hour
	}
	if o.TokenLife == 0 {
		o.TokenLife = 3599 * time.Second
	}
	if o.Granularity == 0 {
		o.Granularity = chunkAlign
	}
	if o.ClientID == "" {
		o.ClientID, o.ClientSecret = DefaultClientID, DefaultClientSecret
	}
	s := &Server{o: o, mux: http.NewServeMux(), closed: make(chan struct{}), secret: rand.Text(),
		users: map[string]*user{}, sessions: map[string]*session{}, oauth: newOAuth(), serial: 0x18f2a6c0b1d20000,
		stats: Stats{Requests: map[Point]int{}, Statuses: map[int]int{}}, quota: quota{limits: o.Quota}}
	s.routes()
	return s
}

func (s *Server) routes() {
	for _, prefix := range []string{"", "/resumable"} {
		s.mux.HandleFunc(prefix+"/upload/gmail/v1/users/{user}/messages/import", s.upload("import"))
		s.mux.HandleFunc(prefix+"/upload/gmail/v1/users/{user}/messages", s.upload("insert"))
	}
	s.mux.HandleFunc("POST /gmail/v1/users/{user}/messages/import", s.handle(Media, s.raw("import")))
	s.mux.HandleFunc("POST /gmail/v1/users/{user}/messages", s.handle(Media, s.raw("insert")))
	s.labelRoutes()
	s.oauthRoutes()
	s.controlRoutes()
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "notFound", "Not Found", "NOT_FOUND")
	})
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &counter{ResponseWriter: w}
	defer func() {
		s.mu.Lock()
		s.stats.Statuses[c.status]++ // 0: cut without an answer
		s.mu.Unlock()
	}()
	s.mux.ServeHTTP(c, r)
}

// base is the address under which the client reached the double.
func (s *Server) base(r *http.Request) string {
	if s.o.URL != "" {
		return strings.TrimSuffix(s.o.URL, "/")
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// counter notes the status that was answered.
type counter struct {
	http.ResponseWriter
	status int
}

func (c *counter) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	return c.ResponseWriter.Write(b)
}

func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
