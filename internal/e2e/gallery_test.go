package e2e

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/oauth"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/server"
	"github.com/smtp-sync/smtp-sync/server/servertest"
)

// gallery looks at pages in a world in which everything can be arranged.
type gallery struct {
	*person
	w    *servertest.World
	user id.User
	axe  string
	dir  string          // of the pictures
	seen map[string]bool // by template
}

// The widths and themes in which every page is looked at, and the rules that
// are looked at then: a theme is other colours and nothing else.
var (
	widths = []int64{1280, 320}
	themes = []struct {
		name  string
		rules []string // none: all
	}{{"light", nil}, {"dark", []string{"color-contrast", "link-in-text-block"}}}
)

// TestEveryPageIsAccessibleAndFits in every state, width and theme: axe-core
// finds nothing serious, nothing scrolls sideways at 320 px, and no page is left
// out. With -artifacts the pictures stay (make pictures).
func TestEveryPageIsAccessibleAndFits(t *testing.T) {
	t.Parallel()
	sharedChromium(t)
	g := &gallery{axe: axe(t), dir: t.ArtifactDir(), seen: map[string]bool{}, w: servertest.New()}
	g.person = sit(t, g.serve(t), true)
	shown := 0
	for _, room := range rooms {
		t.Run(room.name, func(t *testing.T) { g.t = t; shown++; room.show(g) })
	}
	if g.t = t; shown < len(rooms) {
		return // -run wants some of them alone
	}
	pages, err := os.ReadDir(filepath.Join(testkit.Root(t), "server", "web", "pages"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		if name := strings.TrimSuffix(p.Name(), ".html"); name != "layout" && !g.seen[name] {
			t.Errorf("nobody has looked at the page %s", name)
		}
	}
}

// serve gives the address of the service in the gallery's world.
func (g *gallery) serve(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := g.w.Options()
	o.PublicURL = "http://" + l.Addr().String()
	file := filepath.Join(t.TempDir(), "providers.json")
	if err := os.WriteFile(file, []byte(`{"providers": [{"id": "microsoft", "client_id": "x"}, {"id": "google", "client_id": "x"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if o.Sources, err = oauth.ReadClients(file, nil); err != nil {
		t.Fatal(err)
	}
	o.Waiting = &server.Waiting{Address: "old@post.example", Password: "demo"}
	s, err := server.NewService(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return o.PublicURL
}

// enters signs somebody in.
func (g *gallery) enters(name string) {
	g.t.Helper()
	t := g.t.(*testing.T)
	g.user = g.w.User(t, name)
	_, err := chromedp.Call(g.ctx, network.SetCookie, network.SetCookieParams{Name: "session", Value: g.w.Cookie(t, g.user).RevealString(), URL: g.site})
	if err != nil {
		t.Fatal(err)
	}
}

// look looks at the page that is shown: name is its template, then a dot and
// its state.
func (g *gallery) look(name string) {
	g.t.Helper()
	template, _, _ := strings.Cut(name, ".")
	g.seen[template] = true
	for _, width := range widths {
		g.size(width)
		for _, theme := range themes {
			g.theme(theme.name)
			as := name + "-" + strconv.FormatInt(width, 10) + "-" + theme.name
			for _, found := range g.accused(g.axe, theme.rules...) {
				g.t.Errorf("%s: %s", as, found)
			}
			g.picture(g.dir, as)
		}
		wide, err := eval[[]string](g.person, `[...document.querySelectorAll("body *")].filter(e => document.documentElement.scrollWidth > innerWidth && e.getBoundingClientRect().right > innerWidth && !e.parentElement.closest(".scroll"))
			.map(e => e.tagName + " " + e.className + " " + e.innerText?.slice(0, 40))`)
		if err != nil {
			g.t.Fatal(err)
		}
		if len(wide) > 0 {
			g.t.Errorf("%s scrolls sideways at %d px: %q", name, width, wide)
		}
	}
	g.size(widths[0])
	g.theme(themes[0].name)
}

// theme is what the system prefers.
func (g *gallery) theme(name string) {
	g.t.Helper()
	_, err := chromedp.Call(g.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
	if err != nil {
		g.t.Fatal(err)
	}
}
