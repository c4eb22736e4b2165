package pop3

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// List yields every message of the maildrop, oldest first. The listing is
// read and checked as a whole before the first one is yielded. After a Digest
// it is the listing that was digested.
func (s *Source) List(ctx context.Context) iter.Seq2[mail.Ref, error] {
	return func(yield func(mail.Ref, error) bool) {
		entries, err := s.listed, error(nil)
		if !s.digested || s.dead != nil {
			entries, err = s.listing(ctx)
		}
		s.forget() // it is large, and asked for once
		if err != nil {
			yield(mail.Ref{}, err)
			return
		}
		for _, e := range entries {
			if !yield(mail.Ref{Number: int(e.number), UIDL: e.uidl, Size: e.size}, nil) {
				return
			}
		}
	}
}

// entry is one line of UIDL or LIST, and then what both say of one message.
type entry struct {
	uidl   string
	size   int64
	number int32
}

func byNumber(a, b entry) int { return cmp.Compare(a.number, b.number) }

func (s *Source) listing(ctx context.Context) ([]entry, error) {
	end, err := s.begin(ctx, listLimit)
	if err != nil {
		return nil, err
	}
	defer end()
	count, err := s.stat()
	if err != nil || count == 0 {
		return nil, err
	}
	uidl, list, err := s.askListings(count)
	if err != nil {
		return nil, err
	}
	if err := s.agree(count, "LIST", list); err != nil {
		return nil, err
	}
	if s.noUIDL {
		return list, nil
	}
	if err := s.agree(count, "UIDL", uidl); err != nil {
		return nil, err
	}
	dropRepeated(uidl)
	for i := range list {
		if list[i].number != uidl[i].number {
			return nil, badListing(s.host, "UIDL and LIST show different messages")
		}
		list[i].uidl = uidl[i].uidl
	}
	return list, nil
}

// askListings reads both listings to their ends, so that the connection stays
// in step whatever is wrong with them.
func (s *Source) askListings(count int) (uidl, list []entry, err error) {
	commands := []string{"UIDL", "LIST"}
	if s.noUIDL {
		commands = commands[1:]
	}
	ahead := s.caps.pipelining
	if ahead {
		if err := s.send(commands...); err != nil {
			return nil, nil, err
		}
	}
	for _, name := range commands {
		if !ahead {
			if err := s.send(name); err != nil {
				return nil, nil, err
			}
		}
		uidl = list
		if list, err = s.scan(name, count); err != nil {
			return nil, nil, err
		}
	}
	return uidl, list, nil
}

// stat gives the number of messages. Numbers go up to what the first STAT of
// a session says: deleted messages keep theirs (RFC 1939 5).
func (s *Source) stat() (int, error) {
	var count int
	r, err := s.library(func() (err error) {
		count, _, err = s.lib.Stat()
		return err
	})
	switch {
	case err != nil:
		return 0, err
	case !r.ok:
		return 0, s.listRefused("STAT", r)
	case count > maxMessages:
		return 0, badListing(s.host, fmt.Sprintf("it claims %d messages", count))
	}
	if !s.counted {
		s.counted, s.highest = true, count
	}
	if count > s.highest {
		return 0, badListing(s.host, "messages were added to an open session")
	}
	return count, nil
}

// scan reads the answer to UIDL or LIST, line by line as it stands.
func (s *Source) scan(command string, count int) ([]entry, error) {
	r, err := s.reply()
	if err != nil {
		return nil, err
	}
	if !r.ok {
		if command == "UIDL" && r.code == "" {
			s.noUIDL = true // optional (RFC 1939 7): identity falls back to content
			return nil, nil
		}
		return nil, s.listRefused(command, r)
	}
	entries := make([]entry, 0, min(max(count, 0), 4096)) // more only when it has come
	err = s.lines(func(line []byte) {
		number, rest := splitNumber(line)
		e := entry{number: number}
		if command == "UIDL" {
			e.uidl = uniqueID(rest)
		} else {
			e.size = octets(rest)
		}
		entries = append(entries, e)
	})
	return entries, err
}

// agree sorts a listing and holds it against STAT.
func (s *Source) agree(count int, command string, entries []entry) error {
	if len(entries) != count {
		return badListing(s.host, fmt.Sprintf("STAT counts %d messages and %s shows %d", count, command, len(entries)))
	}
	if !slices.IsSortedFunc(entries, byNumber) {
		slices.SortFunc(entries, byNumber)
	}
	for i, e := range entries {
		switch {
		case e.number < 1 || int(e.number) > s.highest:
			return badListing(s.host, command+" shows a message number that does not exist")
		case i > 0 && e.number == entries[i-1].number:
			return badListing(s.host, command+" shows a message twice")
		}
	}
	return nil
}

func (s *Source) listRefused(command string, r reply) error {
	switch r.code {
	case "SYS/TEMP", "SYS/PERM", "IN-USE":
		return s.refusal(r)
	}
	return badListing(s.host, command+" has no usable answer")
}

// splitNumber reads the message number at the start of a line of a listing;
// 0 if there is none.
func splitNumber(line []byte) (int32, []byte) {
	var n int32
	i := 0
	for ; i < len(line) && line[i] != ' ' && line[i] != '\t'; i++ {
		if line[i] < '0' || line[i] > '9' || n > maxMessages {
			return 0, nil
		}
		n = n*10 + int32(line[i]-'0')
	}
	return n, line[i:]
}

// uniqueID gives a well-formed unique-id, 1 to 70 octets of 0x21 to 0x7E
// (RFC 1939 7), or "".
func uniqueID(b []byte) string {
	b = bytes.Trim(b, " \t")
	if len(b) > 70 || bytes.ContainsFunc(b, func(r rune) bool { return r < 0x21 || r > 0x7E }) {
		return ""
	}
	return string(b)
}

// octets gives the announced size, 0 where it makes no sense. RFC 2449 4 allows more after it.
func octets(b []byte) int64 {
	b = bytes.TrimLeft(b, " \t")
	var n int64
	for _, c := range b {
		if c == ' ' || c == '\t' {
			break
		}
		if c < '0' || c > '9' || n > 1<<50 {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// dropRepeated takes the unique-ids away from messages that share one: none
// of them is identified by it. Sorted indices cost 4 octets a message, a map
// several times that.
func dropRepeated(entries []entry) {
	order := make([]int32, len(entries))
	for i := range order {
		order[i] = int32(i)
	}
	id := func(i int) string { return entries[order[i]].uidl }
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(entries[a].uidl, entries[b].uidl) })
	for from, to := 0, 0; from < len(order); from = to {
		for to = from + 1; to < len(order) && id(to) == id(from); {
			to++
		}
		if to > from+1 {
			for _, i := range order[from:to] {
				entries[i].uidl = ""
			}
		}
	}
}
