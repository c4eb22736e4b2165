package imapd

import (
	"bytes"
	"io"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

// Fetch answers FETCH and UID FETCH. The folder is not locked while a client
// reads.
func (c *session) Fetch(w *imapserver.FetchWriter, set imap.NumSet, options *imap.FetchOptions) error {
	c.srv.count("FETCH")
	for _, s := range options.BodySection {
		if !s.Peek && !c.readOnly {
			c.folder.store(set, nil, func(m *message) { m.flags[imap.FlagSeen] = true })
		}
	}
	type answer struct {
		seq   uint32
		flags []imap.Flag
		*message
	}
	var answers []answer
	c.folder.mu.Lock()
	c.folder.eachLocked(set, c.view, func(seq uint32, m *message) {
		if seq = c.view.EncodeSeqNum(seq); seq != 0 {
			answers = append(answers, answer{seq, m.flagList(), m})
		}
	})
	c.folder.mu.Unlock()
	for _, a := range answers {
		out := w.CreateMessage(a.seq)
		err := a.write(out, a.flags, options)
		if closed := out.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *message) write(w *imapserver.FetchResponseWriter, flags []imap.Flag, o *imap.FetchOptions) error {
	w.WriteUID(m.uid)
	if o.Flags {
		w.WriteFlags(flags)
	}
	if o.InternalDate {
		w.WriteInternalDate(m.date)
	}
	if o.RFC822Size {
		w.WriteRFC822Size(m.size)
	}
	if o.Envelope {
		w.WriteEnvelope(&imap.Envelope{})
	}
	if o.BodyStructure != nil {
		w.WriteBodyStructure(imapserver.ExtractBodyStructure(m.open()))
	}
	for _, s := range o.BodySection {
		if err := m.writeSection(w, s); err != nil {
			return err
		}
	}
	return nil
}

// writeSection sends the whole message, its header section or its text as
// they are; finer sections are made by go-imap.
func (m *message) writeSection(w *imapserver.FetchResponseWriter, s *imap.FetchItemBodySection) error {
	r, size := m.open(), m.size
	switch {
	case len(s.Part) > 0 || len(s.HeaderFields) > 0 || len(s.HeaderFieldsNot) > 0 || s.Partial != nil:
		b := imapserver.ExtractBodySection(r, s)
		r, size = bytes.NewReader(b), int64(len(b))
	case s.Specifier != imap.PartSpecifierNone:
		raw, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		end := headerEnd(raw)
		if s.Specifier == imap.PartSpecifierText {
			raw = raw[end:]
		} else {
			raw = raw[:end]
		}
		r, size = bytes.NewReader(raw), int64(len(raw))
	}
	out := w.WriteBodySection(s, size)
	_, err := io.Copy(out, r)
	if closed := out.Close(); err == nil {
		err = closed
	}
	return err
}

// headerEnd gives the place behind the blank line that ends the header
// section, or the end of a message that has none.
func headerEnd(raw []byte) int {
	if bytes.HasPrefix(raw, []byte("\r\n")) {
		return 2
	}
	for _, blank := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(raw, []byte(blank)); i >= 0 {
			return i + len(blank)
		}
	}
	return len(raw)
}
