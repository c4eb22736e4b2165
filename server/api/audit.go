package api

import "time"

// Entry is one line of the audit: nothing else is kept of a message.
type Entry struct {
	ID           string    `json:"id"`
	At           time.Time `json:"at"`
	MailboxID    string    `json:"mailbox_id"`
	SenderDomain string    `json:"sender_domain"`
	Status       string    `json:"status" enum:"imported,skipped,refused,doubtful,failed"`
	Reason       string    `json:"reason"`
	Size         int64     `json:"size"`
}

// Audit is a page of the audit, newest first.
type Audit struct {
	Entries    []Entry `json:"entries"`
	NextCursor string  `json:"next_cursor,omitempty"`
}

// Why says why a mail is not in Gmail.
type Why struct {
	Answer   string   `json:"answer" doc:"In one sentence."`
	Help     string   `json:"help,omitempty"`
	Findings []Clue   `json:"findings" doc:"What each place said, in the order a mail goes through them."`
	Entries  []Entry  `json:"entries" doc:"What the audit has of that day and domain."`
	Mailbox  Standing `json:"mailbox"`
}

// Clue is what one place said.
type Clue struct {
	Place  string `json:"place" enum:"listing,ledger,rules,gmail,audit,schedule"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Stats is what the charts are drawn from.
type Stats struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Step   Duration  `json:"step" doc:"Between two points."`
	Totals Tally     `json:"totals"`
	Series []Point   `json:"series" doc:"Oldest first, without gaps."`
	Strips []Strip   `json:"strips" doc:"Of each mailbox in which something happened."`
	Budget Budget    `json:"budget"`
}

// Strip shows the worst that happened in each step of a series.
type Strip struct {
	MailboxID string   `json:"mailbox_id"`
	Worst     []string `json:"worst" doc:"A status, or empty where nothing happened."`
}

// Tally counts what became of messages.
type Tally struct {
	Imported Amount `json:"imported"`
	Skipped  int64  `json:"skipped"`
	Refused  int64  `json:"refused"`
	Doubtful int64  `json:"doubtful"`
	Failed   int64  `json:"failed"`
}

// Point is one step of a series.
type Point struct {
	At time.Time `json:"at"`
	Tally
}

// Budget is what Gmail's quotas leave today.
type Budget struct {
	BytesToday int64 `json:"bytes_today"`
	BytesLimit int64 `json:"bytes_limit" doc:"0: no limit."`
}

// Count adds a message.
func (t *Tally) Count(status string, size int64) {
	switch status {
	case "imported":
		t.Imported.Messages++
		t.Imported.Bytes += size
	case "skipped":
		t.Skipped++
	case "refused":
		t.Refused++
	case "doubtful":
		t.Doubtful++
	case "failed":
		t.Failed++
	}
}

// MailboxEvent is the event "mailbox": how one is doing now.
type MailboxEvent struct {
	ID   string `json:"id"`
	Gone bool   `json:"gone,omitempty" doc:"It has been removed."`
	Standing
}

// AuditEvent is the event "audit": the newest of the lines that came together.
type AuditEvent struct {
	Entries []Entry `json:"entries" doc:"Oldest first."`
	Omitted int     `json:"omitted,omitempty" doc:"How many more there were."`
}
