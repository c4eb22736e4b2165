package mail

// Status is what became of a message, in the words the user sees.
type Status string

const (
	Imported Status = "imported"
	Skipped  Status = "skipped"  // by a rule
	Rejected Status = "refused"  // by Gmail, or given up after several tries
	Doubtful Status = "doubtful" // outcome unknown: needs a decision
	Failed   Status = "failed"   // will be tried again
)

// Verdict is what the rules decided about a message. It is stored with the
// claim and never computed twice.
type Verdict struct {
	Skip   bool     `json:"skip,omitempty"`
	Reason string   `json:"reason,omitempty"` // "plugin/7", or "rule_failed:class:plugin": shown in the audit
	Labels []string `json:"labels,omitempty"` // names to add
	// Flags that change the import.
	Archive   bool `json:"archive,omitempty"`
	Read      bool `json:"read,omitempty"`
	Star      bool `json:"star,omitempty"`
	Important bool `json:"important,omitempty"`
	NeverSpam bool `json:"never_spam,omitempty"`
	Spam      bool `json:"spam,omitempty"` // never with NeverSpam
}

// Upload is what Gmail is told when an upload session is opened.
type Upload struct {
	LabelIDs []string // Gmail label ids, always explicit
	Size     int64    // octets, -1 when unknown
	// ReceivedTime asks for internalDateSource=receivedTime instead of
	// dateHeader, where the Date header is missing or absurd.
	ReceivedTime bool
	NeverSpam    bool
	Calendar     bool // processForCalendar
}

// Answer is what Gmail says about an upload session (facts: resumable upload, step 2 and status query).
type Answer struct {
	Done    bool   // committed: the message is in Gmail
	GmailID string // when Done
	Stored  int64  // octets stored so far, when not Done and not Gone
	Gone    bool   // 404 or 410: the session no longer answers
}

// Chunk is one PUT of an upload session: Length octets of Body at Offset.
type Chunk struct {
	Offset int64
	Length int64
	Total  int64 // total size of the message; -1: unknown, more chunks follow (then Length is a multiple of 256 KiB)
	// Body yields exactly Length octets. An error from it aborts the request
	// before its last octet, so nothing is committed by it.
	Body interface{ Read([]byte) (int, error) }
}
