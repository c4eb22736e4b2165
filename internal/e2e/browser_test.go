package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// The one Chromium of the package; TestMain stops it. Each person has a browser
// context of his own in it: cookies and cache are nobody else's.
var chromium struct {
	sync.Mutex
	ctx context.Context
	end []func()
}

// sharedChromium gives the browser, started by whoever comes first.
func sharedChromium(t *testing.T) context.Context {
	t.Helper()
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.ctx != nil {
		return chromium.ctx
	}
	program, err := exec.LookPath("chromium")
	testkit.Require(t, "chromium", err == nil, "apt-get install chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true), chromedp.Flag("no-proxy-server", true), chromedp.Flag("lang", "en-GB"))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // its sandbox wants an ordinary user
	}
	alloc, endAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, end := chromedp.NewContext(alloc)
	if err := chromedp.Do(ctx); err != nil {
		end()
		endAlloc()
		t.Fatalf("chromium: %v", err)
	}
	chromium.ctx, chromium.end = ctx, []func(){end, endAlloc}
	return ctx
}

func stopChromium() {
	chromium.Lock()
	defer chromium.Unlock()
	for _, end := range chromium.end {
		end()
	}
}

// person sits before the browser: sees what is shown, presses what has this
// name, fills in what has this label. What he does not see he cannot use.
type person struct {
	t       testing.TB
	ctx     context.Context
	site    string
	scripts bool   // JavaScript is on
	files   string // where downloads go

	mu      sync.Mutex
	mishaps []string // what the console said, and requests that went elsewhere
}

// slow is how long anything may take: this is a busy machine, not a figure.
const slow = 20 * time.Second

// sit opens the browser for somebody. Google's page may be at the double alone.
func sit(t *testing.T, site string, scripts bool) *person {
	t.Helper()
	p := &person{t: t, site: site, scripts: scripts, files: t.TempDir()}
	ctx, end := chromedp.NewContext(sharedChromium(t), chromedp.WithNewBrowserContext(), chromedp.WithListener(p.listen))
	p.ctx = ctx
	t.Cleanup(func() {
		end()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, m := range p.mishaps {
			t.Errorf("the browser says: %s", m)
		}
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, struct{}{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	events := true
	_, err := chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, BrowserContextID: chromedp.FromContext(ctx).BrowserContextID, DownloadPath: p.files, EventsEnabled: &events})
	if err != nil {
		t.Fatal(err)
	}
	if !scripts {
		_, err = chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		if err != nil {
			t.Fatal(err)
		}
	}
	p.size(1280)
	return p
}

// listen keeps what a page must not do: throw, be refused by its own policy,
// ask somebody else.
func (p *person) listen(ev any) {
	said := ""
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		said = ev.ExceptionDetails.Text
		if e := ev.ExceptionDetails.Exception; e != nil {
			said += " " + e.Description
		}
	case *log.EventEntryAdded:
		// A page that is an error (a form sent back, somebody signed out) is
		// written into the console as well, and is none.
		if ev.Entry.Level == log.EntryLevelError && ev.Entry.Source != log.EntrySourceNetwork {
			said = ev.Entry.Text
		}
	case *network.EventRequestWillBeSent:
		if u := ev.Request.URL; !strings.HasPrefix(u, "http://127.0.0.1:") && !strings.HasPrefix(u, "data:") {
			said = "asked for " + u
		}
	}
	if said != "" {
		p.mu.Lock()
		p.mishaps = append(p.mishaps, said)
		p.mu.Unlock()
	}
}

// size sets the width of the window.
func (p *person) size(width int64) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(width, 900)); err != nil {
		p.t.Fatal(err)
	}
}

// eval gives the value of an expression in the page, whether or not scripts
// of the page itself may run.
func eval[T any](p *person, expression string, args ...any) (T, error) {
	ctx, end := context.WithTimeout(p.ctx, slow)
	defer end()
	for i, a := range args {
		b, err := json.Marshal(a)
		if err != nil {
			p.t.Fatal(err)
		}
		args[i] = string(b)
	}
	if len(args) > 0 {
		expression = fmt.Sprintf(expression, args...)
	}
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// until waits until the page says yes. A question that falls between two pages
// is asked again.
func (p *person) until(what, expression string, args ...any) {
	p.t.Helper()
	var err error
	for end := time.Now().Add(slow); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var yes bool
		if yes, err = eval[bool](p, expression, append([]any(nil), args...)...); err == nil && yes {
			return
		}
	}
	p.t.Fatalf("%s: not within %v (%v). There is at %s:\n%s", what, slow, err, p.where(), p.text())
}

// text is what can be read on the page.
func (p *person) text() string {
	s, err := eval[string](p, `document.body.innerText`)
	if err != nil {
		return err.Error()
	}
	return s
}

// where is the path of the page.
func (p *person) where() string {
	p.t.Helper()
	s, err := eval[string](p, `location.href`)
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimPrefix(s, p.site)
}

// sees waits until this can be read.
func (p *person) sees(words ...string) {
	p.t.Helper()
	for _, w := range words {
		p.until("to read "+w, `document.body.innerText.replace(/\s+/g, " ").includes(%s)`, w)
	}
}

// seesNot fails if this can be read.
func (p *person) seesNot(words string) {
	p.t.Helper()
	if strings.Contains(p.text(), words) {
		p.t.Errorf("%q can be read at %s:\n%s", words, p.where(), p.text())
	}
}

// open types an address into the bar.
func (p *person) open(path string) {
	p.t.Helper()
	p.turns(func() {
		ctx, end := context.WithTimeout(p.ctx, slow)
		defer end()
		if err := chromedp.Do(ctx, chromedp.Navigate(p.site+path)); err != nil {
			p.t.Fatalf("%s: %v", path, err)
		}
	})
}

// turns waits until something has led to another page.
func (p *person) turns(f func()) {
	p.t.Helper()
	if _, err := eval[bool](p, `document.before = true`); err != nil {
		p.t.Fatal(err)
	}
	f()
	p.until("another page", `!document.before && document.readyState === "complete"`)
}

// follow presses what leads to another page.
func (p *person) follow(name string) {
	p.t.Helper()
	p.turns(func() { p.press(name) })
}
