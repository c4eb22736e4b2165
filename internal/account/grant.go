package account

import (
	"time"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Status of a grant, in the words of the API.
type Status string

const (
	NoGrant    Status = "none"       // there never was one
	Active     Status = "active"     // the mail goes to Gmail under it
	Incomplete Status = "incomplete" // the person has unticked a scope
	Revoked    Status = "revoked"    // it has ended: nothing of it is left
)

// Grant is what Google gave: the right to import into one Gmail account. There
// is one only while there is a token: an Incomplete grant has none if what was
// unticked makes the token useless.
type Grant struct {
	Status       Status // "": Active
	RefreshToken vault.Secret
	Scopes       []string
	Email        string // of the Person; empty: the one who is kept
	Sub          string
	GrantedAt    time.Time
}

// Access tells where a user's grant stands, without its token.
type Access struct {
	Status    Status    `json:"status"`
	Scopes    []string  `json:"scopes"`
	GrantedAt time.Time `json:"granted_at,omitzero"`
}
