package session

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// How long an API token may live, and how many a user may have.
const (
	TokenLife    = 30 * 24 * time.Hour  // where nothing else is asked for
	MaxTokenLife = 365 * 24 * time.Hour // what leaks and is forgotten ends some day
	MaxTokens    = 100
)

// Scopes is what a token may do.
type Scopes uint8

// The scopes.
const (
	MailboxesRead Scopes = 1 << iota
	MailboxesWrite
	AuditRead
	RulesWrite
	AccountWrite
)

var scopeNames = [...]string{"mailboxes:read", "mailboxes:write", "audit:read", "rules:write", "account:write"}

// ParseScopes reads the names of scopes; there must be one at least.
func ParseScopes(names []string) (s Scopes, err error) {
	for _, name := range names {
		i := slices.Index(scopeNames[:], name)
		if i < 0 {
			return 0, scopeFault("there is a scope that does not exist")
		}
		s |= 1 << i
	}
	if s == 0 {
		return 0, scopeFault("a token needs a scope")
	}
	return s, nil
}

func scopeFault(text string) error {
	return &mail.Fault{Class: mail.Setup, Code: "unknown_scope", Text: text, Help: "choose among " + strings.Join(scopeNames[:], ", ")}
}

// Has reports whether all of want are among s.
func (s Scopes) Has(want Scopes) bool { return s&want == want }

// Names gives the names of the scopes.
func (s Scopes) Names() []string {
	names := []string{}
	for i, name := range scopeNames {
		if s.Has(1 << i) {
			names = append(names, name)
		}
	}
	return names
}

// TokenID names a token to its user; it opens nothing.
type TokenID [16]byte

// ParseTokenID reads the text form of a TokenID.
func ParseTokenID(s string) (TokenID, error) { return id.Parse[TokenID](s) }

func (i TokenID) String() string { return id.User(i).String() }

// Token is what its user gave to a program.
type Token struct {
	ID       TokenID
	User     id.User
	Name     string // in lists, and when it is issued
	Scopes   Scopes
	Created  time.Time
	Expires  time.Time
	LastUsed time.Time // to within Coarse; zero: never
}

// NewToken is a token to be issued.
type NewToken struct {
	Name   string
	Scopes Scopes
	Life   time.Duration // 0: TokenLife
}

// Token gives the token as it will be kept, issued now, or a Fault.
func (n NewToken) Token(user id.User, now time.Time) (Token, error) {
	if n.Life == 0 {
		n.Life = TokenLife
	}
	if n.Life < time.Minute || n.Life > MaxTokenLife {
		return Token{}, &mail.Fault{Class: mail.Setup, Code: "token_life", Text: "a token cannot live that long or that short",
			Help: fmt.Sprintf("choose from one minute to %d hours", int(MaxTokenLife.Hours()))}
	}
	if n.Scopes == 0 || n.Scopes >= 1<<len(scopeNames) {
		return Token{}, scopeFault("a token needs a scope")
	}
	return Token{ID: id.New[TokenID](), User: user, Name: n.Name, Scopes: n.Scopes, Created: now, Expires: now.Add(n.Life)}, nil
}

// ErrTooMany is what issuing one token more than MaxTokens is answered with.
var ErrTooMany error = &mail.Fault{Class: mail.Setup, Code: "too_many_tokens",
	Text: fmt.Sprintf("there are %d tokens already", MaxTokens), Help: "revoke those that are not used any more"}

// The text of a token: what it is, so that scanners for leaked secrets know
// it; the octets; a checksum, so that a mistyped one is known without a look
// into the store. Base62 has no character at which a double-click stops.
const (
	tokenPrefix = "smtps_"
	digits      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	octetDigits = 43 // 62^43 > 2^256
	checkDigits = 6  // 62^6 > 2^32
)

// NewTokenText makes the text of a new token.
func NewTokenText() vault.Secret {
	b := random()
	defer clear(b)
	return vault.NewSecret(tokenText(b))
}

func tokenText(octets []byte) string {
	body := tokenPrefix + base62(new(big.Int).SetBytes(octets), octetDigits)
	return body + check(body)
}

func check(body string) string {
	return base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(body)))), checkDigits)
}

func base62(n *big.Int, width int) string {
	out, base, digit := make([]byte, width), big.NewInt(int64(len(digits))), new(big.Int)
	for i := range slices.Backward(out) {
		n.DivMod(n, base, digit)
		out[i] = digits[digit.Int64()]
	}
	return string(out)
}

// highest is what 32 octets can be at most: digits sort as their values do.
var highest = base62(new(big.Int).SetBytes(bytes.Repeat([]byte{0xff}, secretSize)), octetDigits)

// IsToken reports whether a text has the form of a token: no other text stands
// for the same octets. Every request of a program begins with it.
func IsToken(v vault.Secret) bool {
	text := v.RevealString()
	if !strings.HasPrefix(text, tokenPrefix) || len(text) != len(tokenPrefix)+octetDigits+checkDigits {
		return false
	}
	body := text[:len(tokenPrefix)+octetDigits]
	octets := body[len(tokenPrefix):]
	return strings.Trim(octets, digits) == "" && octets <= highest && text[len(body):] == check(body)
}
