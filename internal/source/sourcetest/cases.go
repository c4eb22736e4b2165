package sourcetest

import "context"

// rule is one case of the suite.
type rule struct {
	name     string
	why      string
	messages func(Harness) [][]byte
	network  bool // needs the proxy
	removes  bool // needs Mailbox.Remove
	only     func(Harness) bool
	run      func(ctx context.Context, w *world) error
}

func (r rule) skip(h Harness) string {
	if r.only != nil && !r.only(h) {
		return "does not apply to this protocol or server"
	}
	return ""
}

func plain(n int) func(Harness) [][]byte {
	return func(Harness) [][]byte { return Plain(n) }
}

func these(m ...[]byte) func(Harness) [][]byte {
	return func(Harness) [][]byte { return m }
}

func odd(h Harness) [][]byte {
	all := Odd()
	if h.NUL {
		all = append(all, []byte("Subject: nul\r\n\r\na\x00b\r\n\x00\r\n"))
	}
	return all
}

var cases = []rule{
	{"ListIsCompleteAndInOrder",
		"a listing that ends without error names every message once, oldest first, each with an id of its own: what it leaves out is never imported",
		plain(40), false, false, nil, listComplete},
	{"EmptyMailboxListsNothing",
		"an empty mailbox is a listing of nothing, not an error: most polls end like this",
		plain(0), false, false, nil, listEmpty},
	{"ListCanBeRepeated",
		"refs stay valid for the life of the source, and a second listing in the same session shows the same messages",
		plain(5), false, false, nil, listTwice},
	{"IDsAreTheSameInTheNextSession",
		"the id is how the ledger knows a message tomorrow: if it changes, everything is imported again",
		plain(12), false, false, nil, idsStay},
	{"BodiesAreByteExact",
		"a message arrives as the server has it, octet for octet, whatever is in it",
		odd, false, false, nil, bodiesExact},
	{"BodiesAreByteExactOneByOne",
		"the same, each in a batch of its own: pipelining must make no difference",
		odd, false, false, nil, bodiesExactSingly},
	{"SmallReadsAreByteExact",
		"the reader above decides how much it takes at once; one octet must do",
		these(Plain(1)[0], sized(5_000), Plain(3)[2]), false, false, nil, smallReads},
	{"FetchOfManyKeepsOrder",
		"the answers of a batch come in the order of the refs, one for each",
		plain(150), false, false, nil, fetchMany},
	{"FetchOfSomeSkipsTheOthers",
		"what is known already is not fetched again: refs are any subset of the listing",
		plain(30), false, false, nil, fetchSome},
	{"FetchOfNothingIsNothing",
		"a batch may be empty",
		plain(2), false, false, nil, fetchNone},
	{"AbandonedBodyKeepsTheSessionInStep",
		"a reader may stop in the middle of a body; the source discards the rest and the next message is whole",
		these(sized(300_000), Plain(2)[1], sized(3_000), Plain(4)[3]), false, false, nil, abandon},
	{"StoppedBatchKeepsTheSessionInStep",
		"the iteration may end early; the session is still good for everything else",
		these(sized(200_000), Plain(2)[1], sized(3_000), sized(90_000), Plain(5)[4]), false, false, nil, stopEarly},
	{"HeaderIsThePrefixOfTheBody",
		"rules look at the header alone; it is the same octets that are imported",
		odd, false, false, nil, headers},
	{"LargeHeaderIsCutAndSaysSo",
		"a header section beyond mail.MaxHeader is truncated and marked, so that a rule knows that it did not see everything",
		these(LargeHeader(600<<10), Plain(2)[1]), false, false, nil, largeHeader},
	{"VanishedMessageIsUndelivered",
		"another client may delete a message between listing and fetch: it is reported for itself and does not end the batch",
		plain(6), false, true, nil, vanished},
	{"DeleteRemovesExactlyThose",
		"after Delete and Close exactly those messages are gone, and nothing else: this is other people's mail",
		plain(9), false, false, nil, deletes},
	{"CloseWithoutDeleteRemovesNothing",
		"reading and fetching changes nothing at the source",
		plain(5), false, false, nil, readsOnly},
	{"FetchDoesNotMarkSeen",
		"a message stays unread at the source until the user's policy says otherwise",
		plain(4), false, false, func(h Harness) bool { return h.Seen }, staysUnseen},
	{"MarkSeenMarksExactlyThose",
		"the policy \"seen\" marks what was imported and nothing else",
		plain(5), false, false, func(h Harness) bool { return h.Seen }, marksSeen},
	{"CutBeforeCloseDeletesNothing",
		"POP3 deletes at QUIT only (RFC 1939 6): when the line breaks before, Close says so and the messages are still there",
		plain(4), true, false, func(h Harness) bool { return h.DeletesAtClose }, cutBeforeClose},
	{"CutBodyIsNeverComplete",
		"a body ends with io.EOF only after the whole message; half a message must not be imported",
		these(sized(400_000)), true, false, nil, cutBody},
	{"WrongPasswordIsALoginFault",
		"a refused login needs the user: class Login, code auth_failed, and the password is nowhere in the text",
		plain(1), false, false, nil, wrongPassword},
	{"ClosedPortIsTransient",
		"a server that is down comes back: class Transient",
		plain(0), true, false, nil, closedPort},
	{"CancelEndsABlockedFetch",
		"a drain or a deletion must not wait for a server that sends nothing",
		these(sized(400_000), Plain(2)[1]), true, false, nil, cancelFetch},
	{"CancelEndsABlockedList",
		"the same while listing",
		plain(3), true, false, nil, cancelList},
	{"CancelEndsABlockedDial",
		"the same while connecting, greeting, handshake or login are under way",
		plain(1), true, false, nil, cancelDial},
	{"CloseOfADeadConnectionEnds",
		"Close frees the connection in any case, and soon",
		plain(2), true, false, nil, closeDead},
}
