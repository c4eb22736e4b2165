package server

import (
	"html/template"
	"math"
	"strconv"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/server/api"
	"github.com/smtp-sync/smtp-sync/server/chart"
	"github.com/smtp-sync/smtp-sync/server/text"
)

func (s *Service) mailboxPage() []*route {
	r := pageAt("/mailboxes/{id}", "mailboxPage", "One mailbox", s.showMailboxPage)
	r.params = append(r.params, query("window", "How long the charts go back; 24h if left out.", spans...))
	return []*route{r}
}

// spans are the windows of the charts.
var spans = []string{"24h", "7d", "30d"}

type mailboxView struct {
	boxView
	Settings []fact
	Windows  []option
	Charts   []chartView
	Budget   string
	Entries  []lineView
}

type fact struct{ Name, Value string }

// chartView is a drawing with what can be read of it: its ends, a sentence, and
// a table.
type chartView struct {
	ID, Title, Summary string
	Top, From, To      string
	Drawing            template.HTML
	Legend             []string // by series; none where there is one
	Head               []string
	Rows               [][]string
}

const lastEntries = 10

func (s *Service) showMailboxPage(c *call) error {
	box, err := c.mailbox()
	if err != nil {
		return err
	}
	m, err := s.o.Accounts.Mailbox(c.ctx, c.who.user, box)
	if err != nil {
		return err
	}
	views, err := s.boxes(c, []account.Mailbox{m})
	if err != nil {
		return err
	}
	if len(views) == 0 {
		return api.ErrNotFound
	}
	v := mailboxView{boxView: views[0], Settings: chosen(views[0].Mailbox, s.nameOf(m.Consent.Provider))}
	span := spans[0]
	for _, o := range spans {
		if o == c.Query("window") {
			span = o
		}
	}
	for _, o := range spans {
		v.Windows = append(v.Windows, option{o, text.Word("window", o), o == span})
	}
	if err := s.charts(c, &v, m, span); err != nil {
		return err
	}
	p, err := s.o.Books.List(c.ctx, c.who.user, audit.Filter{Mailbox: box}, "", lastEntries)
	if err != nil {
		return err
	}
	for _, e := range p.Entries {
		v.Entries = append(v.Entries, lineView{Entry: entry(e)})
	}
	return c.show("mailbox", m.Name, v)
}

// chosen are the settings of a mailbox in words, with the name of its provider.
func chosen(m api.Mailbox, provider string) []fact {
	facts := []fact{
		{text.T("setting.server"), text.Word("protocol", m.Protocol) + ", " + m.Host + ":" + strconv.Itoa(m.Port) + ", " + text.Word("security", m.Security)},
		{text.T("setting.username"), m.Username},
	}
	if provider != "" {
		facts = append(facts, fact{text.T("setting.signin"), provider})
	}
	for _, f := range m.Folders {
		value := f.Name
		if f.Label != "" {
			value += " → " + f.Label
		}
		facts = append(facts, fact{text.T("setting.folder"), value})
	}
	label, place, every := text.T("setting.nolabel"), text.T("setting.inbox"), text.T("setting.adaptive")
	if m.Label != "" {
		label = m.Label
	}
	if m.Archive {
		place = text.T("setting.archive")
	}
	if m.PollEvery != nil {
		every = m.PollEvery.String()
	}
	history := text.Word("history", m.History)
	if m.History == "since" {
		history = text.T("setting.since", "date", m.Since.Format(time.DateOnly))
	}
	return append(facts, fact{text.T("setting.label"), label}, fact{text.T("setting.place"), place}, fact{text.T("setting.history"), history},
		fact{text.T("setting.after"), afterWords(m.AfterImport)}, fact{text.T("setting.every"), every})
}

// charts draws the figures of a window.
func (s *Service) charts(c *call, v *mailboxView, m account.Mailbox, span string) error {
	clock, err := c.zone()
	if err != nil {
		return err
	}
	w := audit.WindowOf(time.Now(), time.Duration(api.ParseDuration(span)))
	stats, err := s.o.Books.Stats(c.ctx, c.who.user, w)
	if err != nil {
		return err
	}
	used, err := s.o.Usage(c.ctx, c.who.user)
	if err != nil {
		return err
	}
	messages, bytes := make(chart.Series, w.Steps), make(chart.Series, w.Steps)
	var total audit.Amount
	for i, t := range stats.Boxes[m.ID] {
		a := t[mail.Imported]
		messages[i], bytes[i] = float64(a.Messages), float64(a.Bytes)
		total.Messages, total.Bytes = total.Messages+a.Messages, total.Bytes+a.Bytes
	}
	p := plotter{window: w, clock: clock, box: v.ID}
	v.Charts = append(v.Charts,
		p.bars("imported", text.T("chart.imported"), text.T("chart.imported.sum", "n", count(total.Messages)), messages, func(f float64) string { return count(int64(f)) }),
		p.bars("bytes", text.T("chart.bytes"), text.T("chart.bytes.sum", "size", octets(total.Bytes)), bytes, func(f float64) string { return octets(int64(f)) }),
		s.delayChart(p, m))
	if s.o.BytesPerDay > 0 {
		v.Budget = text.T("chart.budget.sum", "used", octets(used), "limit", octets(s.o.BytesPerDay))
		v.Charts = append(v.Charts, p.budget(v.Budget, stats, s.o.BytesPerDay))
	}
	return nil
}

// plotter makes the charts of one window.
type plotter struct {
	window audit.Window
	clock  *time.Location
	box    string
}

func (p plotter) at(step int) string {
	return p.window.At(step).In(p.clock).Format("2006-01-02 15:04")
}

func (p plotter) chart(kind, title, summary string, top float64, say func(float64) string, hint func(series, step int) string) (chartView, chart.Chart) {
	id := kind + "-" + p.box
	return chartView{ID: id, Title: title, Summary: summary, Top: say(top), From: p.at(0), To: p.at(p.window.Steps)},
		chart.Chart{ID: id, Title: title, Desc: summary, Top: top, Hint: hint}
}

func (p plotter) bars(kind, title, summary string, s chart.Series, say func(float64) string) chartView {
	v, c := p.chart(kind, title, summary, chart.Top(s), say, func(_, step int) string { return p.at(step) + ": " + say(s[step]) })
	v.Drawing, v.Head = c.Bars(s), []string{text.T("chart.from"), title}
	for i, f := range s {
		if f > 0 {
			v.Rows = append(v.Rows, []string{p.at(i), say(f)})
		}
	}
	return v
}

// delayChart shows how long messages were on their way. What this process has
// not seen it does not know.
func (s *Service) delayChart(p plotter, m account.Mailbox) chartView {
	half, most := make(chart.Series, p.window.Steps), make(chart.Series, p.window.Steps)
	for i := range half {
		half[i], most[i] = math.NaN(), math.NaN()
	}
	summary := text.T("chart.delay.none")
	var rows [][]string
	say := func(f float64) string { return brief(time.Duration(f * float64(time.Second))) }
	for i, q := range s.delays.Of(m.ID, p.window) {
		if q.P50 == 0 {
			continue
		}
		half[i], most[i] = q.P50.Seconds(), q.P95.Seconds()
		rows = append(rows, []string{p.at(i), say(half[i]), say(most[i])})
		summary = text.T("chart.delay.sum", "half", say(half[i]), "most", say(most[i]))
	}
	v, c := p.chart("delay", text.T("chart.delay"), summary, chart.Top(half, most), say, nil)
	v.Drawing, v.Rows = c.Lines(half, most), rows
	v.Legend = []string{text.T("chart.delay.half"), text.T("chart.delay.most")}
	v.Head = append([]string{text.T("chart.from")}, v.Legend...)
	return v
}

// dayBegins is when Gmail's budget of a day is new, after midnight UTC.
const dayBegins = 8 * time.Hour

// budget shows how full the budget of each day became: it is one of all
// mailboxes together. In steps of half a day the day begins at the next one.
func (p plotter) budget(summary string, stats audit.Stats, limit int64) chartView {
	s := make(chart.Series, p.window.Steps)
	sum, gmailDay := int64(0), int64(-1)
	percent := func(f float64) string { return strconv.Itoa(int(math.Round(f))) + " %" }
	var rows [][]string
	for i, t := range stats.Series {
		if d := int64(stats.At(i).Add(-dayBegins).Sub(time.Unix(0, 0)) / day); d != gmailDay {
			sum, gmailDay = 0, d
		}
		sum += t[mail.Imported].Bytes
		s[i] = 100 * float64(sum) / float64(limit)
		if t[mail.Imported].Bytes > 0 {
			rows = append(rows, []string{p.at(i), octets(sum), percent(s[i])})
		}
	}
	v, c := p.chart("budget", text.T("chart.budget"), summary, max(100, chart.Top(s)), percent, nil)
	v.Drawing, v.Rows = c.Lines(s), rows
	v.Head = []string{text.T("chart.from"), text.T("chart.budget.used"), text.T("chart.budget.share")}
	return v
}

// brief writes a short time.
func brief(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return strconv.Itoa(int(d.Seconds())) + " s"
}
