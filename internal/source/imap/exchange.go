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
	refs  []mail.Ref // by ascending UID
	fate  []fate     // of each
	alone bool       // the second try of one message

	written chan struct{} // closed when the command has been sent
	taken   chan struct{} // the last answer has been dealt with
	err     error         // how it ended
}

// An answer is one FETCH response, or the end of its exchange when msg is nil.
type answer struct {
	*exchange
	msg *imapclient.FetchMessageData
}

func newExchange(refs []mail.Ref, alone bool) *exchange {
	return &exchange{
		refs: refs, fate: make([]fate, len(refs)), alone: alone,
		written: make(chan struct{}), taken: make(chan struct{}),
	}
}

// run sends the command and passes its answers on, one at a time. It has a
// goroutine of its own for two reasons: a server may be busy writing to us
// when we write, and it may answer the second command before it ends the first
// (Dovecot does), while go-imap hands out the answers of one command only.
func (x *exchange) run(client *imapclient.Client, out chan<- answer) {
	var uids imap.UIDSet
	for _, ref := range x.refs {
		uids.AddNum(imap.UID(ref.UID))
	}
	cmd := client.Fetch(uids, &whole)
	close(x.written)
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		out <- answer{x, msg}
		<-x.taken
	}
	x.err = cmd.Close()
	out <- answer{x, nil}
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

// left gives the octets still to come, as far as one knows.
func (x *exchange) left() (n int64) {
	for i, ref := range x.refs {
		if x.fate[i] == waiting {
			n += ref.Size
		}
	}
	return n
}
