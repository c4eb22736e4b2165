package notify

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"regexp"
	"strings"
	"text/template"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// Letter is a notice in words.
type Letter struct {
	ID      string // of the notice: the same when it is sent again
	User    id.User
	To      string // "": the address is not known
	Kind    Kind
	At      time.Time // when the notice was made
	Subject string
	Text    string
	HTML    string
	Boxes   []LetterBox
	// Unsubscribe is an address that ends notices of this kind by a POST (RFC
	// 8058); "": there is none.
	Unsubscribe string
}

// LetterBox is what a letter says of a mailbox.
type LetterBox struct {
	ID    id.Mailbox
	Name  string // what the user calls it
	Code  string // what is wrong, as a word of the glossary; ""
	Lines []string
}

// view is what a notice is rendered of.
type view struct {
	site    string // the public address
	zone    *time.Location
	boxes   map[id.Mailbox]named
	session Session // of a sign-in; zero: it has ended
}

// named is a mailbox with what its user calls it.
type named struct {
	Box
	Name string
	Incident
}

// page is what the texts see.
type page struct {
	Boxes         []LetterBox
	Count         int
	Trouble       Trouble
	Host          string
	Since, Until  string
	Lasted        string
	N, Last       int
	Client        string
	Site, Receipt string
}

//go:embed texts/en.tmpl texts/letter.html
var texts embed.FS

var (
	words  = template.Must(template.New("").Option("missingkey=error").ParseFS(texts, "texts/en.tmpl"))
	layout = htmltemplate.Must(htmltemplate.ParseFS(texts, "texts/letter.html"))
)

// render puts a notice into words. ok is false when there is nothing left to
// say: what it tells of is gone, or over.
func render(n Notice, v view) (l Letter, ok bool, err error) {
	p := page{Site: v.site, N: n.N, Last: len(reminders), Since: stamp(n.Since, v.zone), Until: stamp(n.Until, v.zone)}
	for _, a := range n.Boxes {
		b, known := v.boxes[a.Mailbox]
		if !known || (n.Kind == Failing || n.Kind == Reminder) && (b.Trouble == None || !b.Ended.IsZero()) {
			continue
		}
		lb := LetterBox{ID: a.Mailbox, Name: b.Name}
		switch n.Kind {
		case Failing, Reminder:
			p.Trouble, p.Host, lb.Code = b.Trouble, b.Host, b.Code
			lb.Lines = []string{spoken(b.State.Reason.Detail)}
			if h := spoken(b.State.Reason.Help); h != "" {
				lb.Lines = append(lb.Lines, "What to do: "+h)
			}
		case Digest:
			lb.Lines = tally(a)
		}
		p.Boxes = append(p.Boxes, lb)
	}
	if p.Count = len(p.Boxes); p.Count == 0 && n.Kind.ofMailboxes() {
		return l, false, nil
	}
	if n.Kind == Recovered {
		p.Lasted = inWords(n.Until.Sub(n.Since))
	}
	if n.Kind == Inactive {
		p.Until = stamp(n.Due.Add(warning), v.zone)
	}
	if p.Client = v.session.Client; p.Client == "" {
		p.Client = "a browser that has signed out since"
	}
	p.Receipt = n.About
	l = Letter{ID: n.ID.String(), Kind: n.Kind, At: n.Made, Boxes: p.Boxes}
	return l, true, l.write(p)
}

// write fills in subject, text and HTML.
func (l *Letter) write(p page) error {
	parts := map[string]string{}
	for _, part := range []string{"subject", "text", "action", "link", "foot"} {
		var b strings.Builder
		if err := words.ExecuteTemplate(&b, string(l.Kind)+"."+part, p); err != nil {
			return fmt.Errorf("text of a notice: %w", err)
		}
		parts[part] = strings.TrimSpace(b.String())
	}
	l.Subject = oneLine(parts["subject"])
	var paragraphs []string
	for par := range strings.SplitSeq(parts["text"], "\n\n") {
		if par = strings.Join(strings.Fields(par), " "); par != "" {
			paragraphs = append(paragraphs, par)
		}
	}
	var text strings.Builder
	for _, par := range paragraphs {
		text.WriteString(par + "\n\n")
	}
	for _, b := range l.Boxes {
		text.WriteString("* " + oneLine(b.Name) + "\n")
		for _, line := range b.Lines {
			text.WriteString("  " + oneLine(line) + "\n")
		}
		text.WriteString("\n")
	}
	text.WriteString(parts["action"] + ":\n" + parts["link"] + "\n\n-- \n" + parts["foot"] + "\n")
	l.Text = text.String()
	var html bytes.Buffer
	err := layout.ExecuteTemplate(&html, "letter.html", map[string]any{
		"Subject": l.Subject, "Paragraphs": paragraphs, "Boxes": l.Boxes,
		"Action": parts["action"], "Link": parts["link"], "Foot": parts["foot"],
	})
	l.HTML = html.String()
	return err
}

// said are the words of a mail server, which may be anything: they are for the
// pages alone (mail.Fault.Said).
var said = regexp.MustCompile(`\s*\("(?:[^"\\]|\\.)*"\)`)

// spoken makes a sentence of ours fit for a letter.
func spoken(s string) string { return oneLine(said.ReplaceAllString(s, "")) }

// oneLine keeps a name that somebody chose from being more than that.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029 }), " ")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return s
}

func tally(a About) (lines []string) {
	count := func(n int64, one, many string) {
		switch {
		case n == 1:
			lines = append(lines, one)
		case n > 1:
			lines = append(lines, fmt.Sprintf(many, n))
		}
	}
	count(a.Refused, "1 message was refused by Gmail, and stays where it is", "%d messages were refused by Gmail, and stay where they are")
	count(a.Doubtful, "of 1 message nobody knows whether it is in Gmail", "of %d messages nobody knows whether they are in Gmail")
	if a.Flapping {
		lines = append(lines, "it stopped working, or went on and off")
	}
	return lines
}

func stamp(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format("2 January 2006, 15:04 MST")
}

// inWords is a duration as people say it.
func inWords(d time.Duration) string {
	say := func(n time.Duration, unit string) string {
		if n == 1 {
			return "1 " + unit
		}
		return fmt.Sprintf("%d %ss", n, unit)
	}
	switch {
	case d >= 2*day:
		return say(d/day, "day")
	case d >= time.Hour:
		return say(d/time.Hour, "hour")
	}
	return say(max(d/time.Minute, 1), "minute")
}
