package imapd

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"sync"
	"sync/atomic"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Options of a Server. The zero Options is a server without TLS.
type Options struct {
	// TLS is used for STARTTLS and by ListenTLS; nil offers neither.
	TLS *tls.Config
	// AllowPlain takes passwords without TLS, for tests of the protocol alone.
	AllowPlain bool
	// Without leaves these capabilities out: UIDPLUS, ESEARCH.
	Without []string
	// Mute lets clients IDLE and never tells them anything, as Exchange Online
	// does now and then.
	Mute bool
}

// Server serves mailboxes from memory. Its methods may be used by many
// goroutines.
type Server struct {
	opt  Options
	imap *imapserver.Server
	wg   sync.WaitGroup

	idling atomic.Int64

	mu    sync.Mutex
	users map[string]*User
	seen  map[string]int // commands carried out, by name
}

// New makes a server without users.
func New(opt Options) *Server {
	s := &Server{opt: opt, users: map[string]*User{}, seen: map[string]int{}}
	caps := imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}, imap.CapESearch: {}}
	for _, c := range opt.Without {
		delete(caps, imap.Cap(c))
	}
	s.imap = imapserver.New(&imapserver.Options{
		Caps: caps, TLSConfig: opt.TLS, InsecureAuth: opt.AllowPlain,
		Logger: log.New(io.Discard, "", 0),
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &session{srv: s}, nil, nil
		},
	})
	return s
}

// AddUser adds or replaces a user, with an empty INBOX. The password is the
// access token as well, where the client logs in with XOAUTH2.
func (s *Server) AddUser(name, password string) *User {
	u := &User{password: password, folders: map[string]*folder{}, validity: 1}
	u.AddFolder("INBOX")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[name] = u
	return u
}

// Deliver puts a message into a folder of a user, who must exist, and gives
// its UID.
func (s *Server) Deliver(user, folder string, raw []byte) uint32 {
	return s.user(user).Deliver(folder, raw)
}

func (s *Server) user(name string) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[name]
}

// Idling counts the connections that are in IDLE now.
func (s *Server) Idling() int { return int(s.idling.Load()) }

// Seen counts how often a command has been carried out: LOGIN, SELECT, STATUS,
// FETCH, SEARCH, STORE, EXPUNGE, IDLE.
func (s *Server) Seen(command string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[command]
}

func (s *Server) count(command string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[command]++
}

// Listen serves on a free port of 127.0.0.1, in clear with STARTTLS, and gives
// the address.
func (s *Server) Listen() (string, error) { return s.listen(false) }

// ListenTLS serves on a free port of 127.0.0.1 with TLS from the first octet.
func (s *Server) ListenTLS() (string, error) { return s.listen(true) }

func (s *Server) listen(implicit bool) (string, error) {
	if implicit && s.opt.TLS == nil {
		return "", errors.New("imapd: ListenTLS without Options.TLS")
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
func (s *Server) Serve(l net.Listener) { _ = s.imap.Serve(l) }

// Close ends every listener and session.
func (s *Server) Close() error {
	err := s.imap.Close()
	s.wg.Wait()
	return err
}
