package imap

import (
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// A fate is what became of one message of an exchange.
type fate byte

const (
	waiting fate = iota
	came         // its body was delivered
	eaten        // answered without a body
	gone         // left out by the server, and reported
)

// An exchange is one UID FETCH of a group of messages and its answers.
// go-imap finds the command that an answer belongs to by its UID, so two with
// different UIDs may be on their way at once (RFC 9051 5.5).
type exchange struct {
	refs    []mail.Ref // by ascending UID
	fate    []fate     // of each
	writing chan *imapclient.FetchCommand
	cmd     *imapclient.FetchCommand // after sent
}

// send writes the command without waiting for that: the server may be busy
// writing to us what only we can take. Before anything of the exchange is
// used, and before another command, sent must be called.
func (f *fetch) send(refs []mail.Ref) *exchange {
	x := &exchange{refs: refs, fate: make([]fate, len(refs)), writing: make(chan *imapclient.FetchCommand, 1)}
	var uids imap.UIDSet
	for _, ref := range refs {
		uids.AddNum(imap.UID(ref.UID))
	}
	go func() { x.writing <- f.source.client.Fetch(uids, &whole) }()
	return x
}

// sent waits until the command is on its way.
func (x *exchange) sent() {
	if x.cmd == nil {
		x.cmd = <-x.writing
	}
}

// find gives the place of a UID in the group, or -1.
func (x *exchange) find(uid uint32) int {
	i, ok := slices.BinarySearchFunc(x.refs, uid, func(r mail.Ref, uid uint32) int {
		return int(int64(r.UID) - int64(uid))
	})
	if !ok {
		return -1
	}
	return i
}

// announced gives the octets that the group will bring, as far as one knows.
func (x *exchange) announced() (n int64) {
	for _, ref := range x.refs {
		n += ref.Size
	}
	return n
}

// left gives those of the messages not delivered yet.
func (x *exchange) left() (n int64) {
	for i, ref := range x.refs {
		if x.fate[i] != came {
			n += ref.Size
		}
	}
	return n
}
