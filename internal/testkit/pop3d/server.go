package pop3d

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

// Options of a Server. The zero Options is a server without TLS.
type Options struct {
	// TLS is used for STLS and by ListenTLS; nil offers neither.
	TLS *tls.Config
	// AllowPlain takes passwords without TLS, for tests of the protocol alone.
	AllowPlain bool
}

// Server serves maildrops. Its methods may be used by many goroutines.
type Server struct {
	opt Options
	wg  sync.WaitGroup

	mu     sync.Mutex
	users  map[string]*user
	faults Faults
	open   map[closer]struct{} // listeners and connections
	closed bool
	seen   map[string]int // commands received, by name
	logins int
}

type closer interface{ Close() error }

type user struct {
	password string // also the access token of XOAUTH2
	drop     Maildrop
	locked   bool // guarded by Server.mu
}

// New makes a server without users.
func New(opt Options) *Server {
	return &Server{opt: opt, users: map[string]*user{}, open: map[closer]struct{}{}, seen: map[string]int{}}
}

// AddUser adds or replaces a user. The password is the access token as well,
// where the client logs in with XOAUTH2.
func (s *Server) AddUser(name, password string, drop Maildrop) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[name] = &user{password: password, drop: drop}
}

// Misbehave sets the faults of sessions that begin from now on.
func (s *Server) Misbehave(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
}

// Seen counts how often a command, in upper case, has arrived.
func (s *Server) Seen(command string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[command]
}

// Logins counts successful logins.
func (s *Server) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

// Listen serves on a free port of 127.0.0.1, in clear with STLS, and gives
// the address.
func (s *Server) Listen() (string, error) { return s.listen(false) }

// ListenTLS serves on a free port of 127.0.0.1 with TLS from the first octet.
func (s *Server) ListenTLS() (string, error) { return s.listen(true) }

func (s *Server) listen(implicit bool) (string, error) {
	if implicit && s.opt.TLS == nil {
		return "", errors.New("pop3d: ListenTLS without Options.TLS")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	addr := l.Addr().String()
	if implicit {
		l = tls.NewListener(l, s.opt.TLS)
	}
	s.wg.Go(func() { s.Serve(l) })
	return addr, nil
}

// Serve accepts connections until the listener or the server is closed. For
// TLS from the first octet the listener is a tls.NewListener.
func (s *Server) Serve(l net.Listener) {
	if !s.track(l) {
		return
	}
	defer s.untrack(l)
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if !s.track(conn) {
			return
		}
		s.wg.Go(func() {
			defer s.untrack(conn)
			s.session(conn).run()
		})
	}
}

// Close ends every listener and session and waits for them.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// track remembers what Close has to close; it closes c at once when the
// server is closed already.
func (s *Server) track(c closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return false
	}
	s.open[c] = struct{}{}
	return true
}

func (s *Server) untrack(c closer) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

func (s *Server) count(command string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[command]++
}

var (
	errPassword = errors.New("pop3d: wrong user or password")
	errInUse    = errors.New("pop3d: maildrop is locked")
)

// lock checks a login and takes the maildrop's lock (RFC 1939 4).
func (s *Server) lock(name, password string) (*user, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[name]
	switch {
	case u == nil || u.password != password:
		return nil, errPassword
	case u.locked:
		return nil, errInUse
	}
	u.locked = true
	s.logins++
	return u, nil
}

func (s *Server) unlock(u *user) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.locked = false
}
