package main

// variant is one way to build the model.
type variant struct {
	defines string // preprocessor symbols
	holds   bool   // must pass; otherwise a shortcut that must be caught
	what    string
}

// rejected are safe only under assumptions that Gmail does not give; they are
// searched with -all.
var rejected = []variant{
	{"EXPIRE LOOKUP", true, "ask Gmail by Message-ID, if its index were never late"},
	{"EXPIRE RETRY GDEDUP", true, "a new session, if Gmail were known to drop equal Message-IDs"},
}

func (v variant) name() string {
	if v.defines == "" {
		return "PROTOCOL"
	}
	return v.defines
}

var variants = []variant{
	{"", true, "what the bridge does"},
	{"REUSE", true, "the host gives a unique-id to a new mail"},
	{"NOFENCE", true, "compare-and-set alone: the lease is economy"},
	{"EXPIRE", true, "a session may expire: its message becomes doubtful"},
	{"EXPIRE REUSE MAXE=3", true, "both, with at most 3 leases"},

	{"NAIVE", false, "upload, then remember"},
	{"INTENT1", false, "intent, one-shot upload, again after a crash"},
	{"ATMOST", false, "intent, one-shot upload, taken as done after a crash"},
	{"LATEURI", false, "session remembered after its first octet"},
	{"NOCAS", false, "blind ledger writes"},
	{"FRESHSESS", false, "a new session while the old one may still answer"},
	{"EXPIRE RETRY", false, "an expired session replaced at once"},
	{"EXPIRE LOOKUP STALE", false, "ask Gmail by Message-ID, with an index that may be late"},
	{"REUSE NOFP", false, "the ledger key is the bare unique-id"},
	{"REUSE NOVERIFY", false, "delete without looking again in that session"},
}
