package e2e

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	screen "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// finding looks for something to press: by its whole name, else by its
// beginning (words for screen readers may follow).
const finding = `(name => {
	const plain = e => (e.getAttribute("aria-label") || e.innerText).replace(/\s+/g, " ").trim();
	const all = [...document.querySelectorAll("a, button, summary, label")].filter(e => e.checkVisibility() && !e.disabled);
	return all.find(e => plain(e) === name) || all.find(e => plain(e).startsWith(name));
})`

// spot gives the middle of an element, or says what lies over it.
const spot = `(e => {
	if (!e) return {};
	e.scrollIntoView({block: "center", behavior: "instant"});
	const r = [...e.getClientRects()].find(r => r.width > 1 && r.height > 1) || e.getBoundingClientRect();
	const x = r.x + Math.min(r.width / 2, 40), y = r.y + r.height / 2;
	const hit = document.elementFromPoint(x, y);
	return {found: true, x, y, under: hit && (e.contains(hit) || hit.contains(e)) ? "" : hit ? hit.outerHTML.slice(0, 200) : "nothing"};
})`

type place struct {
	Found bool    `json:"found"`
	X     float64 `json:"x"`
	Y     float64 `json:"y"`
	Under string  `json:"under"`
}

// press clicks, with the mouse, on what has this name.
func (p *person) press(name string) {
	p.t.Helper()
	p.click(name, spot+"("+finding+"(%s))")
}

func (p *person) click(name, expression string) {
	p.t.Helper()
	var at place
	var err error
	for end := time.Now().Add(slow); ; time.Sleep(50 * time.Millisecond) {
		if at, err = eval[place](p, expression, name); err == nil && at.Found && at.Under == "" {
			break
		}
		if time.Now().After(end) {
			p.t.Fatalf("nothing to press is called %q (%v, under %q) at %s:\n%s", name, err, at.Under, p.where(), p.text())
		}
	}
	ctx, stop := context.WithTimeout(p.ctx, slow)
	defer stop()
	if err := chromedp.Do(ctx, chromedp.MouseClickXY(at.X, at.Y)); err != nil {
		p.t.Fatal(err)
	}
}

// labelled looks for a field by its label.
const labelled = `(name => {
	const all = [...document.querySelectorAll("label")].filter(e => e.control && e.control.checkVisibility());
	const plain = e => e.innerText.replace(/\s+/g, " ").trim();
	return (all.find(e => plain(e) === name) || all.find(e => plain(e).startsWith(name)))?.control;
})`

// fill types into the field with this label, in place of what is there.
func (p *person) fill(label, value string) {
	p.t.Helper()
	p.click(label, spot+"("+labelled+"(%s))")
	if _, err := eval[bool](p, `(document.activeElement.select(), true)`); err != nil {
		p.t.Fatal(err)
	}
	insert := func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: value})
		return chromedp.Void{}, err
	}
	if err := chromedp.Do(p.ctx, insert); err != nil {
		p.t.Fatal(err)
	}
	p.until(label+" has what was typed", `document.activeElement.value === %s`, value)
}

// choose takes an entry of the list, or a date, with this label.
func (p *person) choose(label, value string) {
	p.t.Helper()
	p.until(label+" offers "+value, `(e => {
		if (!e) return false;
		const o = e.options ? [...e.options].find(o => o.text === %[2]s) : {value: %[2]s};
		if (!o) return false;
		e.value = o.value;
		e.dispatchEvent(new Event("input", {bubbles: true}));
		e.dispatchEvent(new Event("change", {bubbles: true}));
		return e.value === o.value;
	})(`+labelled+`(%[1]s))`, label, value)
}

// enter presses the key.
func (p *person) enter() {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.KeyEvent("\r")); err != nil {
		p.t.Fatal(err)
	}
}

// download presses a link and gives the file that comes.
func (p *person) download(name string) string {
	p.t.Helper()
	before, _ := filepath.Glob(filepath.Join(p.files, "*"))
	p.press(name)
	for end := time.Now().Add(slow); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		now, _ := filepath.Glob(filepath.Join(p.files, "*"))
		for _, f := range now {
			if strings.HasSuffix(f, ".crdownload") || slices.Contains(before, f) {
				continue
			}
			if b, err := os.ReadFile(f); err == nil && len(b) > 0 {
				return string(b)
			}
		}
	}
	p.t.Fatalf("%s: nothing was downloaded within %v", name, slow)
	return ""
}

// picture keeps what the page looks like, down to its end, if somebody wants to
// see it (-artifacts).
func (p *person) picture(dir, name string) {
	p.t.Helper()
	if f := flag.Lookup("test.artifacts"); f == nil || f.Value.String() != "true" {
		return
	}
	whole := true
	shot, err := chromedp.Call(p.ctx, screen.CaptureScreenshot, screen.CaptureScreenshotParams{CaptureBeyondViewport: &whole, OptimizeForSpeed: &whole})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), shot.Data, 0o644)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}
