package hostile

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

const (
	password = "correct horse"
	bad      = "bad.example"
	good     = "good.example"
)

// Certificates are made once: they cost more than what uses them.
var (
	secure      = sync.OnceValue(func() *tls.Config { return ca().ServerConfig(bad, good) })
	expired     = certified(func() tls.Certificate { return ca().Expired(bad) })
	notYetValid = certified(func() tls.Certificate { return ca().NotYetValid(bad) })
	selfSigned  = certified(func() tls.Certificate { return ca().SelfSigned(bad) })
	wrongName   = certified(func() tls.Certificate { return ca().WrongName() })
)

func certified(make func() tls.Certificate) func() *tls.Config {
	return sync.OnceValue(func() *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{make()}, MinVersion: tls.VersionTLS12}
	})
}

// A server of a row: made in the bubble, it takes connections.
type server func(w *world, mail [][]byte) func(net.Conn)

// pop is a POP3 server with faults, by TLS.
func pop(f pop3d.Faults) server { return popWith(secure, false, f) }

// popSTLS is one in clear with STLS.
func popSTLS(f pop3d.Faults) server { return popWith(secure, true, f) }

func popWith(cfg func() *tls.Config, stls bool, f pop3d.Faults) server {
	return func(w *world, mail [][]byte) func(net.Conn) {
		return w.pop(cfg(), stls, f, pop3d.NewMemory(mail...))
	}
}

func (w *world) pop(cfg *tls.Config, stls bool, f pop3d.Faults, drop *pop3d.Memory) func(net.Conn) {
	srv := pop3d.New(pop3d.Options{TLS: cfg})
	srv.AddUser("ann", password, drop)
	srv.Misbehave(f)
	h := newHall()
	var l net.Listener = h
	if !stls {
		l = tls.NewListener(h, cfg)
	}
	w.wg.Go(func() { srv.Serve(l) })
	w.close = append(w.close, func() { _ = srv.Close() })
	return h.give
}

// script is an IMAP server by TLS with the mail, changed by the test.
func script(change func(*imapd.Script)) server {
	return func(w *world, mail [][]byte) func(net.Conn) {
		s := &imapd.Script{TLS: secure()}
		for i, m := range mail {
			s.Messages = append(s.Messages, imapd.ScriptMessage{UID: uint32(i + 1), Body: string(m)})
		}
		change(s)
		h := newHall()
		w.wg.Go(func() { s.Serve(h) })
		w.close = append(w.close, func() { _ = s.Close() })
		return h.give
	}
}

// at is a script that answers one command in its own way.
func at(command string, answer func(w *imapd.Wire, c imapd.Command)) server {
	return script(func(s *imapd.Script) {
		s.On = func(w *imapd.Wire, c imapd.Command) bool {
			if c.Name != command {
				return false
			}
			answer(w, c)
			return true
		}
	})
}

// goodIMAP is a real one, so that what a script cannot do is not taken for a
// recovery.
func goodIMAP(w *world, mail [][]byte) func(net.Conn) {
	srv := imapd.New(imapd.Options{TLS: secure()})
	ann := srv.AddUser("ann", password)
	for _, m := range mail {
		ann.Deliver("INBOX", m)
	}
	h := newHall()
	w.wg.Go(func() { srv.Serve(tls.NewListener(h, secure())) })
	w.close = append(w.close, func() { _ = srv.Close() })
	return h.give
}

// raw speaks without TLS.
func raw(speak func(net.Conn)) server {
	return func(*world, [][]byte) func(net.Conn) {
		return func(c net.Conn) { speak(c); _ = c.Close() }
	}
}

// inTLS speaks once the connection is secure.
func inTLS(speak func(net.Conn)) server {
	return raw(func(c net.Conn) {
		t := tls.Server(c, secure())
		if t.Handshake() == nil {
			speak(t)
		}
	})
}

// mute reads until the other side has had enough.
func mute(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// endless says so much again and again.
func endless(first, again string) func(net.Conn) {
	return func(c net.Conn) {
		_, err := io.WriteString(c, first)
		for err == nil {
			_, err = io.WriteString(c, again)
		}
	}
}

// drip says an octet a second.
func drip(text string) func(net.Conn) {
	return func(c net.Conn) {
		for i := 0; ; i++ {
			if _, err := c.Write([]byte{text[i%len(text)]}); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
}
