// Package bridge moves mail from one mailbox into one Gmail account, exactly
// once, and stores not an octet of it.
//
// Sync is one pass. What happens to one message is always this, in this order:
//
//	list -> look up by id key -> header (peeked from the stream) -> content key
//	     -> rules -> open the upload session -> claim -> stream -> settle
//	     -> re-check -> source policy
//
// Rules are asked once, of a message that nobody has claimed; their verdict is in
// the claim. Where one may skip, the header of large mail is fetched first
// (rules.go).
//
// The claim is one fenced insert that holds the session's URI; the settle is
// one transaction with the audit line. No message is sent, ended or deleted but
// between these two: the order and the recovery are those of
// docs/model/exactly_once.pml, and whoever adds a step adds it to the model
// first. Beside them the ledger is told what a listing showed or a deletion
// will take away (Listed), what moved (Remap), and how far a long upload is
// (Checkpoint, Renew); none of these makes a message known that was not
// settled. Each step has a name (Step), so that a test can stop the world
// before and after it.
//
// What a crash, a cut or a lost answer leaves behind is a claim. The next pass
// asks the claim's own session what became of it: committed is settled, an
// incomplete upload is resumed in the same session after the octets have been
// compared, and a session that no longer answers makes the message doubtful:
// shown to its owner, never guessed.
//
// A pass over a mailbox in which nothing has changed ends after one look
// (digest.go). One that has much to do takes new mail before history
// (order.go), each from its own allowance, and keeps no maildrop locked while
// it waits for budget, memory or the gate (budget.go, memory.go, session.go).
//
// The package declares the ports it needs (ports.go) and decides by
// mail.Class, never by text. It holds a message that fits the window whole,
// so that several uploads run from one source connection; a larger one flows
// from the source's reader into the request, with nothing in between but a
// running keyed hash.
package bridge
