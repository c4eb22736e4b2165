package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/smtp-sync/smtp-sync/actors"
	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

type syncCmd struct {
	Source       string   `required:"" help:"imaps://user@host:993, imap://… (STARTTLS), pop3s://… or pop3://… (STLS)." placeholder:"URL"`
	PasswordFile string   `required:"" help:"File with the password of the mailbox." placeholder:"F"`
	Folder       []string `help:"IMAP folder to read; repeatable; default INBOX." placeholder:"NAME" sep:"none"`
	Label        string   `help:"Gmail label for the imported mail; made if it is missing." placeholder:"NAME"`
	Archive      bool     `help:"Not into the inbox."`
	AfterImport  string   `default:"leave" help:"What happens to the original once a message is in Gmail: leave, delete, seen, delete_after:30d or move:Folder." placeholder:"POLICY"`
	AcceptChange bool     `help:"Import what is there also where much of what was there before is gone."`
	Since        string   `help:"Only messages from this day on, such as 2024-12-31." placeholder:"DATE"`

	GoogleRefreshTokenFile string `help:"File with a Google refresh token; else the grant stored by login." placeholder:"F"`

	Plugin   []string `help:"Rule to run: a Wasm file, or the name of one that comes with the program, such as skip-domains; repeatable." placeholder:"FILE.wasm" sep:"none"`
	Set      []string `help:"Setting of the --plugin before it; lists with commas; repeatable." placeholder:"key=value" sep:"none"`
	Parallel int      `help:"Uploads in flight; default adaptive." placeholder:"N"`
	JSON     bool     `name:"json" help:"The last line of standard output is one JSON object."`
}

// Run does one pass over one mailbox.
func (s *syncCmd) Run(a *app, written *kong.Context) error {
	m, err := s.mailbox()
	if err != nil {
		return err
	}
	named, err := s.pluginFlags(written)
	if err != nil {
		return err
	}
	cfg, err := a.config("sync")
	if err != nil {
		return err
	}
	chain, closing, err := rules(a.ctx, cfg, named)
	if err != nil {
		return err
	}
	defer closing()
	p, err := a.open(cfg, exclusive)
	if err != nil {
		return err
	}
	defer p.close()
	tokens, err := p.granted(a.ctx, s.GoogleRefreshTokenFile)
	if err != nil {
		return err
	}
	pass, box, err := p.pass(a.ctx, m, tokens)
	if err != nil {
		return err
	}
	pass.Parallel, pass.Accepted = s.Parallel, s.AcceptChange
	if chain != nil {
		chain.Mailbox.Name = m.Name
		pass.Filter = chain
	}
	watch := newProgress(a.stderr)
	pass.Progress = watch.event

	engine := actors.Start(actors.Options{Log: p.log})
	start := time.Now()
	report, err := engine.Sync(a.ctx, p.userID, box, func(ctx context.Context) (bridge.Report, error) {
		return bridge.Sync(ctx, pass)
	})
	watch.close()
	p.told(a.ctx, box, err)
	if s.GoogleRefreshTokenFile == "" {
		p.destroyed(a.ctx, err)
	}
	s.print(a, report, time.Since(start))
	if e := engine.Drain(context.WithoutCancel(a.ctx)); err == nil {
		err = e
	}
	return left(report, watch.doubtful, err)
}

// left says what a pass left undone; doubtful are those of this pass. What was
// refused is done: it is recorded and has been listed with its reason.
func left(r bridge.Report, doubtful int, err error) error {
	if f, ok := mail.AsFault(err); ok && f.Class == mail.RateLimited && !f.Until.IsZero() {
		return fmt.Errorf("%w (come back at %s)", err, f.Until.UTC().Format(time.RFC3339))
	}
	if f, ok := mail.AsFault(err); ok && f.Code == "mass_change" {
		return fmt.Errorf("%w (run it with --accept-change)", err)
	}
	if f, ok := mail.AsFault(err); ok && f.Code == "grant_scope_labels" {
		return fmt.Errorf("--label or --plugin: %w (run smtp-sync login --labels)", err)
	}
	if c := mail.ClassOf(err); err != nil && (c == mail.Grant || c == mail.Revoked) {
		return fmt.Errorf("%w (run smtp-sync login, or give a new --google-refresh-token-file)", err)
	}
	// One look cannot tell a source that keeps what it deletes from a deletion that
	// a crash has cut off, which this pass has done again.
	if err == nil && r.Undone != nil && r.Undone.Code != "delete_ignored" {
		return undone{r.Undone.Error()}
	}
	if err == nil && r.Failed+doubtful > 0 {
		return undone{fmt.Sprintf("%d messages failed and will be tried again by the next run, %d became doubtful: see above", r.Failed, doubtful)}
	}
	return err
}

func (s *syncCmd) print(a *app, r bridge.Report, took time.Duration) {
	if !s.JSON {
		a.printf("%d listed: %d imported, %d already there, %d skipped, %d refused, %d doubtful, %d failed; %d octets in %.1f s\n",
			r.Listed, r.Imported, r.Already, r.Skipped, r.Refused, r.Doubtful, r.Failed, r.Bytes, took.Seconds())
		return
	}
	line, err := json.Marshal(struct {
		Listed   int     `json:"listed"`
		Imported int     `json:"imported"`
		Already  int     `json:"already"`
		Skipped  int     `json:"skipped"`
		Refused  int     `json:"refused"`
		Doubtful int     `json:"doubtful"`
		Failed   int     `json:"failed"`
		Bytes    int64   `json:"bytes"`
		Seconds  float64 `json:"seconds"`
	}{r.Listed, r.Imported, r.Already, r.Skipped, r.Refused, r.Doubtful, r.Failed, r.Bytes, took.Seconds()})
	if err != nil {
		panic("cli: " + err.Error())
	}
	a.printf("%s\n", line)
}

const (
	maxParallel = 64
	maxName     = 1000 // octets of a user or folder name
	maxLabel    = 225  // characters, by Gmail
)

// goodLabel finds what Gmail would refuse before the mailbox is opened.
func goodLabel(name string) bool {
	if name == "" {
		return true // none
	}
	own := []string{"INBOX", "UNREAD", "STARRED", "IMPORTANT", "SENT", "DRAFT", "SPAM", "TRASH", "CHAT"}
	return strings.TrimSpace(name) != "" && utf8.RuneCountInString(name) <= maxLabel &&
		!slices.ContainsFunc(own, func(o string) bool { return strings.EqualFold(o, name) })
}

// mailbox checks the flags and makes the mailbox they describe.
func (s *syncCmd) mailbox() (m account.Mailbox, err error) {
	usage := func(text string) (account.Mailbox, error) {
		return account.Mailbox{}, usageError{errors.New(text)}
	}
	m, err = parseSource(s.Source)
	if err != nil {
		return m, err
	}
	switch {
	case m.Protocol == "pop3" && len(s.Folder) > 0:
		return usage("--folder: POP3 has no folders: leave it out or use imaps://")
	case s.Parallel < 0 || s.Parallel > maxParallel:
		return usage("--parallel: write a number from 1 to 64")
	case len(m.Username) > maxName:
		return usage("--source: the user name is too long")
	case slices.ContainsFunc(s.Folder, func(f string) bool { return f == "" || len(f) > maxName }):
		return usage("--folder: write the name of a folder")
	case !goodLabel(s.Label):
		return usage("--label: write a name of at most 225 characters that is not one of Gmail's own labels")
	}
	if s.Since != "" {
		if m.Since, err = time.Parse(time.DateOnly, s.Since); err != nil {
			return usage("--since: write a day such as 2024-12-31")
		}
		if m.Since.Year() < 1970 {
			return usage("--since: write a day after 1969")
		}
	}
	if m.Password, err = readSecret("--password-file", s.PasswordFile); err != nil {
		return m, err
	}
	for _, f := range s.Folder {
		m.Folders = append(m.Folders, account.Folder{Name: f})
	}
	after, err := account.ParseAfter(s.AfterImport)
	if err == nil {
		err = after.Fits(m.Protocol, m.Folders)
	}
	if err != nil {
		return usage("--after-import: " + err.Error())
	}
	m.Label, m.Archive, m.AfterImport = s.Label, s.Archive, s.AfterImport
	return m, nil
}
