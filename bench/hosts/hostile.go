package hosts

import (
	"crypto/tls"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

// behaviours of servers that do not serve: each gets the listener.
var behaviours = map[string]func(f *fleet, l net.Listener, secure *tls.Config){
	// dead: nobody listens.
	"dead": func(_ *fleet, l net.Listener, _ *tls.Config) { _ = l.Close() },
	// silent: the connection stands and nothing ever comes.
	"silent": func(f *fleet, l net.Listener, _ *tls.Config) {
		f.each(l, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	},
	// drip: one octet of the greeting a second.
	"drip": func(f *fleet, l net.Listener, secure *tls.Config) {
		f.each(tls.NewListener(l, secure), func(c net.Conn) {
			for {
				if _, err := c.Write([]byte("*")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
	},
	// flood: a line without an end, as fast as it is taken.
	"flood": func(f *fleet, l net.Listener, secure *tls.Config) {
		noise := []byte(strings.Repeat("+OK * OK ", 1<<10))
		f.each(tls.NewListener(l, secure), func(c net.Conn) {
			for {
				if _, err := c.Write(noise); err != nil {
					return
				}
			}
		})
	},
	// literal: an IMAP server that announces more octets than there are, and
	// sends nothing but parentheses.
	"literal": func(f *fleet, l net.Listener, secure *tls.Config) {
		s := &imapd.Script{TLS: secure, On: func(w *imapd.Wire, c imapd.Command) bool {
			if c.Name != "SELECT" && c.Name != "EXAMINE" {
				return false
			}
			w.Send("* 4000000000 EXISTS\r\n* 1 FETCH (BODY[] {99999999999}\r\n" + strings.Repeat("(", 1<<16))
			return true
		}}
		f.script(l, s)
	},
}

// faults of a POP3 server that serves, but badly.
var faults = map[string]pop3d.Faults{
	"in-use":      {Replies: map[string]string{"PASS": "-ERR [IN-USE] maildrop is locked"}},
	"refuses":     {Replies: map[string]string{"PASS": "-ERR [AUTH] wrong user or password"}},
	"overloaded":  {Replies: map[string]string{"PASS": "-ERR [SYS/TEMP] try again later"}},
	"login-delay": {LoginDelay: 600},
	"cuts":        {CutAt: "STAT"},
	"slow":        {Delay: 2 * time.Second},
}

// Behaviours lists what a fleet may do wrong.
func Behaviours() []string {
	return slices.Sorted(maps.Keys(maps.Collect(func(yield func(string, bool) bool) {
		for name := range behaviours {
			yield(name, true)
		}
		for name := range faults {
			yield(name, true)
		}
	})))
}

// hostile serves l as the fleet behaves, if that is no server at all.
func (f *fleet) hostile(l net.Listener, secure *tls.Config) bool {
	do, found := behaviours[f.Behaves]
	if found {
		f.closers = append(f.closers, l)
		do(f, l, secure)
	}
	return found
}

func (f *fleet) faults() pop3d.Faults { return faults[f.Behaves] }

// each runs do on every connection.
func (f *fleet) each(l net.Listener, do func(net.Conn)) {
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				do(c)
			}()
		}
	}()
}

// script serves a Script, which only listens by itself, on l.
func (f *fleet) script(l net.Listener, s *imapd.Script) {
	addr, err := s.Listen()
	if err != nil {
		panic("hosts: " + err.Error()) // a free port of loopback
	}
	f.closers = append(f.closers, s)
	f.each(l, func(near net.Conn) {
		far, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		defer far.Close()
		go func() {
			defer near.Close()
			_, _ = io.Copy(near, far)
		}()
		_, _ = io.Copy(far, near)
	})
}
