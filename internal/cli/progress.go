package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/telemetry"
)

// progress shows a pass to whoever watches: a bar on a terminal, plain lines
// elsewhere, and in both a line for every message that did not arrive.
type progress struct {
	w io.Writer

	mu    sync.Mutex
	bars  *mpb.Progress
	bar   *mpb.Bar
	todo  int
	ended int
	said  time.Time

	doubtful int             // that became so in this pass
	past     map[string]bool // reasons of messages that came past a rule, said once each
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, past: map[string]bool{}}
	if telemetry.Terminal(w) {
		p.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(64))
	}
	return p
}

func (p *progress) event(e bridge.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !e.Wait.IsZero():
		p.line("waiting until %s", e.Wait.UTC().Format(time.RFC3339))
	case e.Status == "":
		p.listed(e)
	default:
		p.ended++
		if p.bar != nil {
			p.bar.Increment()
		} else if time.Since(p.said) > 2*time.Second {
			p.said = time.Now()
			p.line("%d of %d messages", p.ended, p.todo)
		}
		if e.Status == mail.Doubtful {
			p.doubtful++
		}
		if e.Status != mail.Imported {
			p.line("%s: %s%s, from %s, %d octets", e.Ref, e.Status, reason(e.Reason), e.Domain, e.Size)
		} else if _, past := pastRule(e); past && !p.past[e.Reason] {
			p.past[e.Reason] = true
			p.line("%s: imported, and a rule was left out%s: mend it or leave it away; what else comes so is not listed", e.Ref, reason(e.Reason))
		}
	}
}

func (p *progress) listed(e bridge.Event) {
	p.todo = p.ended + e.ToDo
	p.line("%d messages in the mailbox, %d to import", e.Listed, e.ToDo)
	if p.bars == nil || e.ToDo == 0 {
		return
	}
	if p.bar == nil {
		p.bar = p.bars.AddBar(int64(p.todo),
			mpb.PrependDecorators(decor.Name("importing "), decor.CountersNoUnit("%d of %d")),
			mpb.AppendDecorators(decor.Percentage(), decor.Name(" "), decor.AverageETA(decor.ET_STYLE_MMSS)))
	}
	p.bar.SetTotal(int64(p.todo), false)
}

// line prints above the bar, if there is one.
func (p *progress) line(format string, args ...any) {
	s := fmt.Sprintf(format+"\n", args...)
	if p.bars != nil {
		_, _ = io.WriteString(p.bars, s)
		return
	}
	_, _ = io.WriteString(p.w, s)
}

func (p *progress) close() {
	if p.bars == nil && p.ended > 0 {
		p.line("%d of %d messages", p.ended, max(p.ended, p.todo))
	}
	if p.bar != nil {
		p.bar.Abort(false)
	}
	if p.bars != nil {
		p.bars.Wait()
	}
}

func reason(code string) string {
	if code == "" {
		return ""
	}
	return " (" + code + ")"
}

// pastRule reports a message that was imported although a rule could not be
// asked, or not followed, and why that was.
func pastRule(e bridge.Event) (class string, past bool) {
	why, past := strings.CutPrefix(e.Reason, "rule_failed")
	if e.Status != mail.Imported || !past {
		return "", false
	}
	class, _, _ = strings.Cut(strings.TrimPrefix(why, ":"), ":")
	return class, true
}
