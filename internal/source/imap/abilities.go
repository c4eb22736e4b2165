package imap

// Abilities are the capabilities of a server that we use, in one octet: every
// connection that waits for mail keeps its own.
type abilities uint8

const (
	uidplus      abilities = 1 << iota // RFC 4315
	esearch                            // RFC 4731
	condstore                          // RFC 7162
	idle                               // RFC 2177
	literalPlus                        // RFC 7888
	literalMinus                       // RFC 7888
	onlyRev2                           // IMAP4rev2 without IMAP4rev1
	move                               // RFC 6851
)

func (a abilities) all(b abilities) bool { return a&b == b }

// abilities gives what the server has said that it can do.
func (p *preamble) abilities() (a abilities) {
	rev2 := p.caps["IMAP4REV2"] // RFC 9051 brings UIDPLUS, IDLE and MOVE along
	for _, c := range []struct {
		can abilities
		has bool
	}{
		{uidplus, p.caps["UIDPLUS"] || rev2},
		{esearch, p.caps["ESEARCH"]},
		{condstore, p.caps["CONDSTORE"] || p.caps["QRESYNC"]}, // RFC 7162 3.2.3: the second implies the first
		{idle, p.caps["IDLE"] || rev2},
		{literalPlus, p.caps["LITERAL+"]},
		{literalMinus, p.caps["LITERAL-"]},
		{move, p.caps["MOVE"] || rev2},
		{onlyRev2, rev2 && !p.caps["IMAP4REV1"]},
	} {
		if c.has {
			a |= c.can
		}
	}
	return a
}
