package imapd

import (
	"fmt"
	"slices"
	"strings"
)

func (s *Script) messages() []ScriptMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clip(s.Messages)
}

// Deliver adds a message and tells the clients in IDLE.
func (s *Script) Deliver(body string) {
	s.mu.Lock()
	uid := uint32(1)
	if n := len(s.Messages); n > 0 {
		uid = s.Messages[n-1].UID + 1
	}
	s.Messages = append(s.Messages, ScriptMessage{UID: uid, Body: body})
	if s.ModSeq > 0 {
		s.ModSeq++
	}
	n := len(s.Messages)
	s.mu.Unlock()
	if !s.Mute {
		s.Push(fmt.Sprintf("* %d EXISTS\r\n", n))
	}
}

// Push sends octets to every client in IDLE.
func (s *Script) Push(octets string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.idle {
		w.Send(octets)
	}
}

// Idling counts the connections that are in IDLE now.
func (s *Script) Idling() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.idle)
}

// Idle lets the client wait, says something, and returns when it has sent
// DONE; the command is not ended.
func (w *Wire) Idle(c Command, say string) error {
	s := w.script
	s.mu.Lock()
	w.Send("+ idling\r\n" + say)
	if n := len(s.Messages); n > w.shown && !s.Mute {
		w.Send(fmt.Sprintf("* %d EXISTS\r\n", n))
	}
	s.idle[w] = true
	s.mu.Unlock()
	line, err := w.Line()
	s.mu.Lock()
	delete(s.idle, w)
	w.shown = len(s.Messages)
	s.mu.Unlock()
	if err == nil && line != "DONE" {
		err = fmt.Errorf("%q in IDLE", line)
		w.Send(c.Tag + " BAD expected DONE\r\n")
		w.Close()
	}
	return err
}

// opened says what SELECT says about the folder.
func (w *Wire) opened() {
	s := w.script
	s.mu.Lock()
	w.shown = len(s.Messages)
	said := fmt.Sprintf("* %d EXISTS\r\n* OK [UIDVALIDITY %d] valid\r\n", w.shown, max(s.Validity, 1))
	if !s.NoUIDNext {
		said += fmt.Sprintf("* OK [UIDNEXT %d] next\r\n", s.nextLocked())
	}
	if s.ModSeq > 0 {
		said += fmt.Sprintf("* OK [HIGHESTMODSEQ %d] highest\r\n", s.ModSeq)
	}
	s.mu.Unlock()
	w.Send(said)
}

func (s *Script) nextLocked() uint32 {
	if n := len(s.Messages); n > 0 {
		return s.Messages[n-1].UID + 1
	}
	return 1
}

// status answers STATUS with everything it knows.
func (w *Wire) status(c Command) {
	s := w.script
	s.mu.Lock()
	name := c.Args[:max(strings.LastIndex(c.Args, " ("), 0)]
	items := fmt.Sprintf("MESSAGES %d UIDVALIDITY %d", len(s.Messages), max(s.Validity, 1))
	if !s.NoUIDNext {
		items += fmt.Sprintf(" UIDNEXT %d", s.nextLocked())
	}
	if s.ModSeq > 0 {
		items += fmt.Sprintf(" HIGHESTMODSEQ %d", s.ModSeq)
	}
	s.mu.Unlock()
	w.Send("* STATUS " + name + " (" + items + ")\r\n")
}
