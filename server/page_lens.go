package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/openapi"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// lensView is all that is held about a user, in words.
type lensView struct {
	account.Export
	Boxes      []heldBox
	Remembered int64 // messages in the ledger
	Lines      int64 // of the audit
	Newest     []lineView
	Notices    string
}

// heldBox is a mailbox with its state and counts as pairs of words.
type heldBox struct {
	account.HeldBox
	State, Messages []said
}

func (s *Service) lensPage() []*route {
	data := pageAt("/lens/data", "lensData", "Everything that is held about me, as it is held", s.lensData)
	data.answers = []openapi.Answer{answer[api.Held](200, "All of it, decrypted.")}
	return []*route{pageAt("/lens", "lensPage", "Everything that is held about me", s.showLens), data}
}

// showLens shows everything, decrypted.
func (s *Service) showLens(c *call) error {
	e, err := s.o.Accounts.Export(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	v := lensView{Export: e, Notices: string(e.Profile.Notices)}
	names := map[string]string{}
	for _, b := range e.Boxes {
		v.Boxes = append(v.Boxes, heldBox{b, pairs(b.State), pairs(b.Messages)})
		names[b.ID] = b.Name
	}
	tallies, err := s.o.Books.Tallies(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	for _, t := range tallies {
		for _, a := range t {
			v.Lines += a.Messages
		}
	}
	p, err := s.o.Books.List(c.ctx, c.who.user, audit.Filter{}, "", 5)
	if err != nil {
		return err
	}
	for _, l := range p.Entries {
		v.Newest = append(v.Newest, lineView{entry(l), names[l.Mailbox.String()]})
	}
	return c.showAs(fiber.StatusOK, "lens", text.T("lens.title"), v)
}

// lensData is the same as JSON.
func (s *Service) lensData(c *call) error {
	e, err := s.o.Accounts.Export(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="smtp-sync-held.json"`)
	return c.answer(fiber.StatusOK, e)
}

// pairs gives what is remembered as text, in the order of its names. What is
// not set is left out.
func pairs(kept map[string]any) (out []said) {
	for _, k := range sortedKeys(kept) {
		if v := heldText(kept[k]); v != "" {
			out = append(out, said{k, v})
		}
	}
	return out
}

func heldText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case time.Time:
		if v.IsZero() {
			return ""
		}
		return v.UTC().Format(time.RFC3339)
	case int, int32, int64, uint64, uint32, float64, bool:
		return fmt.Sprint(v)
	}
	b, err := json.Marshal(v)
	if err != nil || string(b) == "{}" || string(b) == "null" {
		return ""
	}
	return string(b)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
