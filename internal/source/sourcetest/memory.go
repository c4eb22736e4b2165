package sourcetest

import (
	"bytes"
	"context"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// Memory is a mailbox without a server, for tests on fake time. Its sessions
// pass the same suite as the real sources. It may be used by many goroutines.
type Memory struct {
	// DeletesAtClose makes it behave like POP3: Delete takes effect at Close.
	DeletesAtClose bool
	Password       string

	mu       sync.Mutex
	next     uint32
	messages []*stored
}

type stored struct {
	uid  uint32
	raw  []byte
	seen bool
	gone bool // removed while a session may still list it
}

// NewMemory makes a mailbox with these messages, oldest first.
func NewMemory(messages ...[]byte) *Memory {
	m := &Memory{next: 1}
	for _, raw := range messages {
		m.Deliver(raw)
	}
	return m
}

// Deliver puts one more message into the mailbox.
func (m *Memory) Deliver(raw []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages = append(m.messages, &stored{uid: m.next, raw: raw})
	m.next++
}

// Messages gives what is there now.
func (m *Memory) Messages() (out [][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.messages {
		out = append(out, s.raw)
	}
	return out
}

// Remove takes the i-th message away, also from open sessions.
func (m *Memory) Remove(i int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages[i].gone = true
	m.messages = slices.Delete(m.messages, i, i+1)
}

// Dial opens a session.
func (m *Memory) Dial(ctx context.Context, password string) (*Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, &mail.Fault{Class: mail.Transient, Code: "cancelled", Text: "stopped before it was done", Err: err}
	}
	if password != m.Password {
		return nil, &mail.Fault{Class: mail.Login, Code: "auth_failed", Text: "the mailbox refused the login", Help: "check the password"}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Session{box: m, view: slices.Clone(m.messages)}, nil
}

// Session is one session with a Memory.
type Session struct {
	box     *Memory
	view    []*stored // as POP3 has it: fixed for the session
	deleted []*stored
}

// List implements bridge.Source.
func (s *Session) List(ctx context.Context) iter.Seq2[mail.Ref, error] {
	return func(yield func(mail.Ref, error) bool) {
		for i := range s.view {
			if ctx.Err() != nil {
				yield(mail.Ref{}, &mail.Fault{Class: mail.Transient, Code: "cancelled", Text: "stopped before it was done", Err: ctx.Err()})
				return
			}
			if !yield(s.ref(i), nil) {
				return
			}
		}
	}
}

func (s *Session) ref(i int) mail.Ref {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	m := s.view[i]
	return mail.Ref{Folder: "INBOX", Validity: 1, UID: m.uid, Number: i + 1, Size: int64(len(m.raw)), Seen: m.seen}
}

// find gives the message of ref, or the Fault when it cannot be had.
func (s *Session) find(ref mail.Ref) (*stored, error) {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	for _, m := range s.view {
		if m.uid == ref.UID && !m.gone {
			return m, nil
		}
	}
	return nil, &mail.Fault{Class: mail.Undelivered, Code: "vanished", Text: ref.String() + " is no longer there"}
}

// Header implements bridge.Source.
func (s *Session) Header(_ context.Context, ref mail.Ref) (*mail.Header, error) {
	m, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	raw := headerOf(m.raw)
	h := mail.ParseHeader(raw[:min(len(raw), mail.MaxHeader)])
	if len(raw) > mail.MaxHeader {
		h.SetTruncated()
	}
	return h, nil
}

// Fetch implements bridge.Source.
func (s *Session) Fetch(ctx context.Context, refs []mail.Ref) iter.Seq2[*mail.Incoming, error] {
	return func(yield func(*mail.Incoming, error) bool) {
		for _, ref := range refs {
			if ctx.Err() != nil {
				yield(nil, &mail.Fault{Class: mail.Transient, Code: "cancelled", Text: "stopped before it was done", Err: ctx.Err()})
				return
			}
			in := &mail.Incoming{Ref: ref, Size: -1}
			m, err := s.find(ref)
			if err == nil {
				in.Size, in.Body = int64(len(m.raw)), io.MultiReader(bytes.NewReader(m.raw))
			}
			if !yield(in, err) {
				return
			}
		}
	}
}

// Delete implements bridge.Source.
func (s *Session) Delete(_ context.Context, refs []mail.Ref) error {
	for _, ref := range refs {
		m, err := s.find(ref)
		if err != nil {
			return err
		}
		s.deleted = append(s.deleted, m)
	}
	if !s.box.DeletesAtClose {
		s.expunge()
	}
	return nil
}

func (s *Session) expunge() {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.messages = slices.DeleteFunc(s.box.messages, func(m *stored) bool {
		m.gone = m.gone || slices.Contains(s.deleted, m)
		return m.gone
	})
	s.deleted = nil
}

// MarkSeen implements bridge.Source.
func (s *Session) MarkSeen(_ context.Context, refs []mail.Ref) error {
	for _, ref := range refs {
		m, err := s.find(ref)
		if err != nil {
			return err
		}
		s.box.mu.Lock()
		m.seen = true
		s.box.mu.Unlock()
	}
	return nil
}

// Move implements bridge.Source: what is in another folder nobody looks at here.
func (s *Session) Move(ctx context.Context, refs []mail.Ref, _ string) error {
	return s.Delete(ctx, refs)
}

// Close implements bridge.Source.
func (s *Session) Close(context.Context) error {
	if s.box.DeletesAtClose {
		s.expunge()
	}
	return nil
}
