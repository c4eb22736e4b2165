package main

import (
	"fmt"
	"go/ast"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// picture is who may import whom, from the top of the program down: a package
// imports what its row lists and what stands below a listed folder ("x/...").
// Every package has a row. When a new one needs a line here, first ask whether
// the code is in the right place.
var picture = []struct {
	pkg string // "x/..." covers all packages below x that have no row of their own
	may []string
}{
	{".", []string{"internal/cli"}},
	{"bench/...", []string{"..."}},
	{"internal/cli", []string{"server", "server/api", "actors", "plugins/...", "internal/...", "migrations"}},
	{"internal/demo/...", []string{"..."}},

	{"server/...", []string{"server/...", "actors", "plugins", "plugins/gate", "plugins/manifest", "internal/plan", "internal/account", "internal/audit", "internal/rules", "internal/rulebook", "internal/schedule", "internal/session", "internal/definitions", "internal/discover", "internal/probe", "internal/config", "internal/oauth", "internal/oauth/risc", "internal/telemetry", "internal/id", "internal/mail", "internal/vault"}},
	{"actors", []string{"actors/kit", "actors/wheel", "actors/admit", "internal/bridge", "internal/schedule", "internal/session", "internal/account", "internal/telemetry", "internal/id", "internal/mail", "internal/ledger", "internal/vault"}},
	{"actors/kit", nil},
	{"actors/wheel", []string{"internal/schedule", "internal/id"}},
	{"actors/admit", []string{"internal/schedule", "internal/id"}},

	{"internal/bridge", []string{"internal/ledger", "internal/vault", "internal/mail", "internal/id"}},

	// Adapters know the leaves and not each other; both sources go out through dial.
	{"plugins/...", []string{"plugins/...", "internal/mail"}},
	{"plugins/gate", nil}, // what stands before wazero trusts nobody's parser
	{"plugins/wat", nil},
	{"internal/definitions", []string{"internal/account", "internal/vault"}},
	{"internal/provider", nil},
	{"internal/discover", []string{"internal/provider", "internal/dial", "internal/mail"}},
	{"internal/probe", []string{"internal/source/...", "internal/discover", "internal/dial", "internal/account", "internal/vault", "internal/mail", "internal/id"}},
	{"internal/source/...", []string{"internal/source/sasl", "internal/dial", "internal/vault", "internal/mail"}},
	{"internal/source/sasl", []string{"internal/mail"}},
	{"internal/dial", []string{"internal/mail"}},
	{"internal/quota", []string{"internal/id", "internal/mail"}},
	{"internal/gmail", []string{"internal/vault", "internal/mail"}},
	{"internal/oauth/risc", []string{"internal/oauth", "internal/account", "internal/vault", "internal/mail"}},                                   // account: what Google calls a token that is kept
	{"internal/oauth", []string{"internal/account", "internal/vault", "internal/mail", "internal/id"}},                                           // account: what a provider gave for a mailbox
	{"internal/jobs", []string{"internal/oauth/risc", "internal/session", "internal/account", "internal/vault", "internal/mail", "internal/id"}}, // risc: what an event asks for
	{"internal/notify/...", []string{"internal/notify", "internal/vault", "internal/mail", "internal/id"}},
	{"internal/notify", []string{"internal/schedule", "internal/session", "internal/account", "internal/audit", "internal/vault", "internal/mail", "internal/id"}}, // what there is to tell is theirs
	{"internal/billing/...", []string{"internal/billing", "internal/plan", "internal/account", "internal/vault", "internal/mail", "internal/id"}},
	{"internal/plan", []string{"internal/id"}},
	{"internal/audit", []string{"internal/ledger", "internal/mail", "internal/id"}},
	{"internal/session/...", []string{"internal/session", "internal/vault", "internal/mail", "internal/id"}},
	{"internal/account", []string{"internal/plan", "internal/vault", "internal/mail", "internal/id"}},
	{"internal/rules/...", []string{"internal/rules", "internal/account", "internal/mail", "internal/id"}},
	{"internal/rulebook", []string{"plugins/...", "internal/rules", "internal/account", "internal/mail", "internal/id"}},
	{"internal/why", []string{"internal/account", "internal/audit", "internal/schedule", "internal/mail", "internal/id"}},
	{"internal/store/...", []string{"internal/store/...", "migrations", "internal/schedule", "internal/notify", "internal/plan", "internal/session", "internal/account", "internal/audit", "internal/rules", "internal/ledger", "internal/quota", "internal/vault", "internal/mail", "internal/id"}},
	{"migrations", nil},

	// Leaves: values and the standard library.
	{"internal/schedule", []string{"internal/provider", "internal/ledger", "internal/mail", "internal/id"}},
	{"internal/schedule/scheduletest", []string{"internal/schedule", "internal/session", "internal/account", "internal/mail", "internal/id"}},
	{"internal/ledger", []string{"internal/vault", "internal/mail", "internal/id"}},
	{"internal/config", []string{"internal/vault", "internal/mail"}},
	{"internal/vault", []string{"internal/mail", "internal/id"}},
	{"internal/vault/pgshelf", []string{"migrations", "internal/vault", "internal/mail"}},
	{"internal/telemetry", nil},
	{"internal/mail", nil},
	{"internal/id", nil},

	// The real program against real servers, and every page in a real browser:
	// tests and nothing else.
	{"internal/e2e", []string{"server", "server/api", "server/servertest"}},
	{"internal/sim", []string{"..."}},
	{"internal/hostile", []string{"..."}},
	{"internal/testkit/...", []string{"..."}},
	{"internal/tools/...", []string{"internal/config", "plugins/gate", "plugins/manifest", "plugins/wat"}},
}

// homes is where a foreign module may be imported. More than one home needs a
// reason in a comment.
var homes = map[string][]string{
	"github.com/asynkron/protoactor-go":       {"actors/..."},
	"github.com/gofiber/fiber/v2":             {"server/..."},
	"github.com/valyala/fasthttp":             {"server"}, // Fiber's server: its limit of a body by route
	"github.com/tetratelabs/wazero":           {"plugins/..."},
	"github.com/ncruces/go-sqlite3":           {"internal/store/sqlite/..."},
	"github.com/pressly/goose/v3":             {"internal/store/...", "internal/vault/pgshelf"},
	"github.com/riverqueue/river":             {"internal/jobs"},
	"github.com/jackc/pgx/v5":                 {"internal/store/postgres/...", "internal/vault/pgshelf"}, // the key store is a database of its own
	"github.com/emersion/go-imap/v2":          {"internal/source/imap", "internal/testkit/imapd"},        // the library's server end, for tests and demo
	"github.com/emersion/go-sasl":             {"internal/source/imap", "internal/testkit/imapd"},        // part of go-imap's interface
	"github.com/knadh/go-pop3":                {"internal/source/pop3"},
	"google.golang.org/api":                   {"internal/gmail/..."},
	"golang.org/x/oauth2":                     {"internal/oauth/...", "internal/gmail/..."}, // consent, and the token source of the client
	"github.com/coreos/go-oidc/v3":            {"internal/oauth/..."},
	"github.com/go-jose/go-jose/v4":           {"internal/oauth/risc"},
	"github.com/alecthomas/kong":              {"internal/cli"},
	"github.com/vbauerster/mpb/v8":            {"internal/cli"},
	"github.com/google/uuid":                  {"internal/id"},
	"github.com/stripe/stripe-go/v85":         {"internal/billing/..."},
	"github.com/wneessen/go-mail":             {"internal/notify/smtp"},
	"golang.org/x/net/idna":                   {"internal/mail", "internal/dial"}, // sender domains, and host names on their way to DNS
	"golang.org/x/net/dns/dnsmessage":         {"internal/dial"},
	"golang.org/x/net/html":                   {"server"}, // tests only: pages are read as a browser reads them
	"golang.org/x/sync/semaphore":             {"internal/bridge", "actors"},
	"golang.org/x/sync/singleflight":          {"internal/oauth", "internal/gmail"}, // one refresh at a time, on both sides of the token
	"golang.org/x/crypto/xts":                 {"internal/store/sqlite/..."},        // page encryption
	"golang.org/x/sys":                        {"internal/cli", "internal/store/...", "internal/vault", "plugins", "bench/..."},
	"github.com/prometheus/client_golang":     {"internal/telemetry"},
	"github.com/getkin/kin-openapi":           {"server/..."},   // tests only
	"github.com/chromedp/chromedp":            {"internal/e2e"}, // tests only: a real browser
	"github.com/chromedp/cdproto":             {"internal/e2e"}, // what chromedp says to it
	"github.com/HdrHistogram/hdrhistogram-go": {"bench/..."},
}

// testHomes is where tests alone may import a module as well.
var testHomes = map[string][]string{
	"github.com/emersion/go-imap/v2": {"internal/dial"}, // hostile servers against the real libraries beneath the guard
	"github.com/knadh/go-pop3":       {"internal/dial"},
}

// lonely are the tools of single packages: names of the standard library that
// nobody else may use, and why. Tests are free.
var lonely = []struct {
	imported string
	names    []string
	homes    []string
	why      string
}{
	{"net", []string{"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer"}, []string{"internal/dial", "internal/gmail", "internal/oauth"},
		"hosts that users name are reached through internal/dial, which checks the address"},
	{"crypto/tls", []string{"Dial", "DialWithDialer", "Dialer"}, []string{"internal/dial", "internal/gmail", "internal/oauth"},
		"hosts that users name are reached through internal/dial, which checks the address"},
	{"github.com/smtp-sync/smtp-sync/internal/dial", []string{"Through"}, nil,
		"it asks no Policy where a user's host leads: tests in fake time alone"},
	{"net/http", []string{"Get", "Head", "Post", "PostForm", "DefaultClient", "DefaultServeMux", "Handle", "HandleFunc", "ListenAndServe"}, nil,
		"the defaults have no time limits and are shared with every library"},
	{"io/ioutil", []string{"ReadAll"}, nil, "use io"},
	{"math/rand", nil, nil, "use math/rand/v2, or crypto/rand for secrets"},
}

func TestArchImportsFollowThePicture(t *testing.T) {
	t.Parallel()
	for _, p := range readModule(t) {
		may, found := allowed(p.path)
		if !found {
			t.Errorf("%s has no row in the picture: add one", p.path)
			continue
		}
		for imported, file := range p.imports {
			if ours(imported) && !within(rel(imported), may) && !p.helper() {
				t.Errorf("%s imports %s (%s): the picture lists %v", p.path, rel(imported), file, may)
			}
		}
		// Tests may import anything of ours but what is above them: the
		// program, the server and the actors test themselves.
		for imported, file := range p.testImports {
			if up := rel(imported); ours(imported) && up != p.path && within(up, []string{"server/...", "actors/...", "internal/cli", "bench/..."}) && !within(up, may) {
				t.Errorf("a test of %s imports %s (%s), which stands above it", p.path, up, file)
			}
		}
	}
}

func TestArchForeignModulesLiveInTheirHomes(t *testing.T) {
	t.Parallel()
	for _, p := range readModule(t) {
		p.eachImport(func(imported, file string, test bool) {
			if ours(imported) || !strings.Contains(strings.Split(imported, "/")[0], ".") {
				return
			}
			module := homeOf(imported)
			switch {
			case module == "":
				t.Errorf("%s imports %s (%s), which has no home: say in the commit what it replaces, then add it to homes", p.path, imported, file)
			case !within(p.path, homes[module]) && !(test && within(p.path, testHomes[module])):
				t.Errorf("%s imports %s (%s): its home is %v", p.path, imported, file, homes[module])
			}
		})
	}
}

// Test helpers may be imported by tests, by each other, by the demo and by
// bench; the product has the demo in it and nothing else of them.
func TestArchTestHelpersStayOutOfTheProduct(t *testing.T) {
	t.Parallel()
	packages := readModule(t)
	for _, p := range packages {
		if p.helper() || within(p.path, []string{"bench/...", "internal/demo/..."}) {
			continue
		}
		for imported, file := range p.imports {
			if ours(imported) && helperPath(rel(imported)) {
				t.Errorf("%s imports %s (%s): only tests, bench and the demo may", p.path, rel(imported), file)
			}
		}
	}

	via := map[string]string{".": ""}
	for queue := []string{"."}; len(queue) > 0; queue = queue[1:] {
		p := packages[queue[0]]
		if p == nil || within(p.path, []string{"internal/demo/..."}) {
			continue
		}
		for imported := range p.imports {
			if next := rel(imported); ours(imported) {
				if _, seen := via[next]; !seen {
					via[next] = p.path
					queue = append(queue, next)
				}
			}
		}
	}
	for _, linked := range slices.Sorted(maps.Keys(via)) {
		if helperPath(linked) {
			t.Errorf("%s is linked into the program by %s, not by the demo", linked, via[linked])
		}
	}
}

func TestArchEveryPackageIntroducesItself(t *testing.T) {
	t.Parallel()
	for _, p := range readModule(t) {
		want := "Package " + p.name + " "
		if p.name == "main" {
			want = "Command "
		}
		if len(p.files) > 0 && (!strings.HasPrefix(p.doc, want) || len(p.doc) < 60) {
			t.Errorf("%s has no package comment that starts with %q and says what it owns", p.path, want)
		}
	}
}

func TestArchToolsOfSinglePackages(t *testing.T) {
	t.Parallel()
	free := []string{"bench/...", "internal/demo/..."}
	for _, p := range readModule(t) {
		if p.helper() {
			continue
		}
		for _, f := range p.files {
			for _, rule := range lonely {
				if within(p.path, slices.Concat(free, rule.homes)) {
					continue
				}
				for _, use := range f.uses(rule.imported, rule.names) {
					t.Errorf("%s uses %s: %s", f.name, use, rule.why)
				}
			}
		}
	}
}

// The table itself is tested: a row or a home that cannot match would be a
// hole that nobody sees.
func TestArchTablesSayWhatTheyMean(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		path  string
		may   []string
		wants bool
	}{
		{"internal/mail", []string{"internal/mail"}, true},
		{"internal/mailer", []string{"internal/mail", "internal/mail/..."}, false},
		{"internal/source/pop3", []string{"internal/source/..."}, true},
		{"internal/source", []string{"internal/source/..."}, true},
		{"anything", []string{"..."}, true},
		{"anything", nil, false},
	} {
		if got := within(row.path, row.may); got != row.wants {
			t.Errorf("within(%q, %q) = %v", row.path, row.may, got)
		}
	}
	for imported, want := range map[string]string{
		"google.golang.org/api/gmail/v1":       "google.golang.org/api",
		"google.golang.org/apix":               "",
		"golang.org/x/net/idna":                "golang.org/x/net/idna",
		"golang.org/x/net/ipv4":                "",
		"github.com/ncruces/go-sqlite3/driver": "github.com/ncruces/go-sqlite3",
	} {
		if got := homeOf(imported); got != want {
			t.Errorf("homeOf(%q) = %q, want %q", imported, got, want)
		}
	}
	for p, want := range map[string]bool{"internal/source/sourcetest": true, "internal/testkit/pop3d": true, "internal/mail": false, "internal/gmail/gmailtest": true} {
		if got := helperPath(p); got != want {
			t.Errorf("helperPath(%q) = %v", p, got)
		}
	}
}

// allowed gives the row of a package: its own, else that of the nearest folder.
func allowed(pkg string) (may []string, found bool) {
	best := -1
	for _, row := range picture {
		if row.pkg == pkg {
			return row.may, true
		}
		if within(pkg, []string{row.pkg}) && len(row.pkg) > best {
			best, may, found = len(row.pkg), row.may, true
		}
	}
	return may, found || helperPath(pkg)
}

// within reports whether one of the patterns covers the package.
func within(pkg string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		folder, tree := strings.CutSuffix(pattern, "...")
		folder = strings.TrimSuffix(folder, "/")
		return pkg == folder || tree && (folder == "" || strings.HasPrefix(pkg, folder+"/"))
	})
}

// homeOf gives the row of homes that covers an import path.
func homeOf(imported string) string {
	for module := range homes {
		if imported == module || strings.HasPrefix(imported, module+"/") {
			return module
		}
	}
	return ""
}

// helperPath reports whether a package exists for tests only.
func helperPath(pkg string) bool {
	return within(pkg, []string{"internal/testkit/..."}) || strings.HasSuffix(path.Base(pkg), "test")
}

// uses names the places where a file uses one of the names of an imported
// package; without names, the import itself.
func (f *sourceFile) uses(imported string, names []string) (places []string) {
	local := f.localName(imported)
	if local == "" {
		return nil
	}
	if names == nil {
		return []string{imported}
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && slices.Contains(names, sel.Sel.Name) {
				places = append(places, fmt.Sprintf("%s.%s at line %d", imported, sel.Sel.Name, f.line(sel.Pos())))
			}
		}
		return true
	})
	return places
}
