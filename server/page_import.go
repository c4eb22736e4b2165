package server

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/smtp-sync/smtp-sync/internal/definitions"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/text"
)

// importView is the page that brings mailboxes of another program: the file,
// then what would become of it, then what has. From the second page on the
// form carries the file sealed, since passwords stand in it.
type importView struct {
	Formats []option
	History string
	Wrong   wrongs
	Kept    string // the file, sealed
	Read    *api.MailboxesImported
	Ready   int64 // mailboxes that the button would make
	Made    int64
}

func (s *Service) importPage() []*route {
	return []*route{
		pageAt("/mailboxes/import", "bringPage", "Bring mailboxes of another program", s.showImport),
		stepAt("/mailboxes/import", "bringForm", "Read, or make, the mailboxes of another program", s.importForm),
	}
}

func (s *Service) showImport(c *call) error {
	return s.drawImport(c, fiber.StatusOK, "", importView{History: "all"})
}

func (s *Service) drawImport(c *call, status int, format string, v importView) error {
	v.Formats = []option{{Value: "", Name: text.T("import.format.any"), Chosen: format == ""}}
	for _, f := range definitions.Formats() {
		v.Formats = append(v.Formats, option{Value: f, Name: text.Word("import.format", f), Chosen: f == format})
	}
	return c.showAs(status, "import", text.T("import.title"), v)
}

// importForm reads the file and shows what it defines; the second button makes
// just that.
func (s *Service) importForm(c *call) error {
	v, err := c.form()
	if err != nil {
		return err
	}
	of := []string{"definitions", c.who.user.String(), c.who.session.ID.String()}
	in := api.MailboxesImport{Format: v.Get("format"), Text: v.Get("text"), History: v.Get("history"), DryRun: v.Get("step") != "add"}
	view := importView{History: in.History}
	if !in.DryRun {
		kept, ok := s.sealed.open(v.Get("kept"), of...)
		if in.Text = string(kept); !ok {
			view.Wrong = wrongs{{ID: "text", Name: "text", Text: text.T("import.late"), Help: text.T("import.late.help")}}
			return s.drawImport(c, fiber.StatusUnprocessableEntity, in.Format, view)
		}
	}
	out, err := s.bring(c, in)
	if view.Wrong, err = faultsOf(err, nil); err != nil {
		return err
	}
	if len(view.Wrong) > 0 {
		return s.drawImport(c, fiber.StatusUnprocessableEntity, in.Format, view)
	}
	view.Read = &out
	for _, m := range out.Mailboxes {
		view.Ready += boolInt(m.Status == "ready")
		view.Made += boolInt(m.Status == "created")
	}
	if view.Ready > 0 {
		view.Kept = s.sealed.seal([]byte(strings.ToValidUTF8(in.Text, "")), of...)
	}
	return s.drawImport(c, fiber.StatusOK, out.Format, view)
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
