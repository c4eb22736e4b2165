package api

import "time"

// Session is what a page needs to act for its user.
type Session struct {
	CSRF string `json:"csrf" doc:"Send it as X-CSRF-Token with every unsafe request."`
}

// Me is the user.
type Me struct {
	ID        string    `json:"id"`
	Email     string    `json:"email" doc:"Empty after Google access was revoked: the address came from Google."`
	CreatedAt time.Time `json:"created_at"`
	Grant     Grant     `json:"grant"`
	Plan      string    `json:"plan"`
	NoMail    string    `json:"notices_blocked,omitempty" enum:"bounce,spam,blocked" doc:"Why we send no mail to this address any more. Saving the notice settings begins anew."`
	Settings
}

// Settings are what a user chooses for himself.
type Settings struct {
	Locale   string  `json:"locale" doc:"A language tag such as en or de-AT."`
	TimeZone string  `json:"time_zone" doc:"A name of the IANA database such as Europe/Vienna."`
	Notices  Notices `json:"notices"`
}

// Notices say which mails the user wants from us.
type Notices struct {
	Failing bool `json:"failing" doc:"A mailbox needs me."`
	Digest  bool `json:"digest" doc:"What was refused or is doubtful, once a day."`
	SignIn  bool `json:"sign_in" doc:"Somebody signed in as me."`
}

// MePatch changes settings; what is left out stays.
type MePatch struct {
	Locale   *string       `json:"locale,omitempty" doc:"A language tag such as en or de-AT."`
	TimeZone *string       `json:"time_zone,omitempty" doc:"A name of the IANA database such as Europe/Vienna."`
	Notices  *NoticesPatch `json:"notices,omitempty"`
}

// NoticesPatch changes single notices.
type NoticesPatch struct {
	Failing *bool `json:"failing,omitempty"`
	Digest  *bool `json:"digest,omitempty"`
	SignIn  *bool `json:"sign_in,omitempty"`
}

// Grant is what Google allows us.
type Grant struct {
	Status    string    `json:"status" enum:"active,incomplete,revoked,none"`
	Scopes    []string  `json:"scopes"`
	GrantedAt time.Time `json:"granted_at,omitzero"`
}

// Wiped is the answer of a deletion.
type Wiped struct {
	Receipt Receipt `json:"receipt"`
}

// Receipt says what a wipe destroyed.
type Receipt struct {
	ID           string            `json:"id"`
	At           time.Time         `json:"at"`
	Subject      string            `json:"subject" enum:"mailbox,grant,account" doc:"What was wiped."`
	Rows         map[string]int64  `json:"rows" doc:"How many, by table."`
	KeyDestroyed bool              `json:"key_destroyed" doc:"Without the key no copy can be read, wherever it is."`
	HistoryUntil time.Time         `json:"history_until,omitzero" doc:"Until then the history of the place where keys are kept could bring the key back. Left out: there is no such history."`
	Outside      map[string]string `json:"outside,omitempty" doc:"What others are told, such as google_revoke: pending, done, or moot."`
}

// TokenNew asks for a token.
type TokenNew struct {
	Name      string    `json:"name" doc:"What you call it, at most 100 characters."`
	Scopes    []string  `json:"scopes" enum:"mailboxes:read,mailboxes:write,audit:read,rules:write,account:write"`
	ExpiresIn *Duration `json:"expires_in,omitempty" doc:"From 1m to 8784h; left out: 2160h."`
}

// TokenMade is a token, shown this once.
type TokenMade struct {
	ID    string `json:"id"`
	Token string `json:"token" doc:"Shown once; only a hash of it is kept."`
}

// Token is a token without its secret.
type Token struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Scopes    []string  `json:"scopes"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	UsedAt    time.Time `json:"used_at,omitzero" doc:"To the minute."`
}

// Tokens is a page of tokens.
type Tokens struct {
	Tokens     []Token `json:"tokens"`
	NextCursor string  `json:"next_cursor,omitempty"`
}

// SignIn is one session of the user.
type SignIn struct {
	ID        string    `json:"id"`
	Current   bool      `json:"current" doc:"It is the session of this request."`
	Device    string    `json:"device" doc:"Browser and system in words."`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at" doc:"To the minute."`
	ExpiresAt time.Time `json:"expires_at"`
}

// Sessions is a page of sessions.
type Sessions struct {
	Sessions   []SignIn `json:"sessions"`
	NextCursor string   `json:"next_cursor,omitempty"`
}
