package rulebook

import (
	"context"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
	"github.com/smtp-sync/smtp-sync/plugins/shipped"
)

// Errors of uploads and deletions.
var (
	ErrNoUploads error = &mail.Fault{Class: mail.Setup, Code: "plugin_uploads_off",
		Text: "this service takes no plugins of its users: it does not run them in a process of their own yet, and they would run beside everybody's mail",
		Help: "use the rules that are there, or run smtp-sync yourself: there plugins are taken"}
	ErrShipped error = &mail.Fault{Class: mail.Setup, Code: "plugin_shipped",
		Text: "this plugin comes with the program and is not deleted", Help: "delete the rules that use it"}
)

// Plugin is what rules are made of.
type Plugin struct {
	ID       string // its name if it is shipped, else the digest of the module
	Shipped  bool
	Manifest *manifest.Manifest
	Size     int       // octets
	Added    time.Time // zero if it is shipped
}

// Plugins gives those that a user may use: what is shipped by name, then his
// own by age.
func (b *Book) Plugins(ctx context.Context, user id.User) ([]Plugin, error) {
	var out []Plugin
	for _, r := range shipped.All() {
		out = append(out, Plugin{ID: r.Name, Shipped: true, Manifest: r.Manifest, Size: len(r.Wasm)})
	}
	own, err := b.store.Modules(ctx, user)
	for _, m := range own {
		out = append(out, uploaded(m))
	}
	return out, err
}

// Plugin gives one of them. account.ErrNone.
func (b *Book) Plugin(ctx context.Context, user id.User, name string) (Plugin, error) {
	if r, found := shipped.Named(name); found {
		return Plugin{ID: r.Name, Shipped: true, Manifest: r.Manifest, Size: len(r.Wasm)}, nil
	}
	own, err := b.store.Modules(ctx, user)
	if err != nil {
		return Plugin{}, err
	}
	for _, m := range own {
		if m.Digest.String() == name {
			return uploaded(m), nil
		}
	}
	return Plugin{}, account.ErrNone
}

// uploaded reads the manifest that the gate has let through. One that a later
// release does not take any more is shown by its digest.
func uploaded(m rules.Module) Plugin {
	p := Plugin{ID: m.Digest.String(), Size: m.Size, Added: m.Added}
	var err error
	if p.Manifest, err = manifest.Parse(m.Manifest); err != nil {
		p.Manifest = &manifest.Manifest{ABI: manifest.ABI, Name: p.ID[:12], Version: "0.0.0", Title: manifest.Text{"en": p.ID[:12]}}
	}
	return p
}

// Upload takes a module through the gate, compiles it and keeps it. Its error is
// ErrNoUploads, a *gate.Refusal, manifest.Faults, a *plugins.Fault of class
// Compile, or rules.ErrTooManyModules.
func (b *Book) Upload(ctx context.Context, user id.User, wasm []byte) (Plugin, gate.Report, error) {
	if !b.uploads {
		return Plugin{}, gate.Report{}, ErrNoUploads
	}
	b.compiling.Lock()
	defer b.compiling.Unlock()
	checked, err := gate.Check(wasm, plugins.ABI)
	if err != nil {
		return Plugin{}, gate.Report{}, err
	}
	p, err := b.host.Load(ctx, wasm)
	if err != nil {
		return Plugin{}, gate.Report{}, err
	}
	m := rules.Module{Digest: rules.Digest(p.Digest), Manifest: checked.Manifest, Wasm: wasm, Size: len(wasm), Added: time.Now()}
	if err := b.store.AddModule(ctx, user, m); err != nil {
		return Plugin{}, gate.Report{}, err
	}
	kept, err := b.Plugin(ctx, user, m.Digest.String())
	return kept, p.Report, err
}

// Report gives what the gate says of a plugin that is kept.
func (b *Book) Report(ctx context.Context, user id.User, name string) (gate.Report, error) {
	wasm, err := b.Module(ctx, user, name)
	if err != nil {
		return gate.Report{}, err
	}
	checked, err := gate.Check(wasm, plugins.ABI)
	if err != nil {
		return gate.Report{}, err
	}
	return checked.Report, nil
}

// Module gives the octets of a plugin.
func (b *Book) Module(ctx context.Context, user id.User, name string) ([]byte, error) {
	if r, found := shipped.Named(name); found {
		return r.Wasm, nil
	}
	d, ok := rules.ParseDigest(name)
	if !ok {
		return nil, account.ErrNone
	}
	m, err := b.store.Module(ctx, user, d)
	return m.Wasm, err
}

// Reason gives the words of a shipped plugin for a reason such as
// "skip-domains/1".
func Reason(reason string) (said string, ok bool) {
	name, number, _ := strings.Cut(reason, "/")
	r, found := shipped.Named(name)
	if !found {
		return "", false
	}
	said, ok = r.Manifest.Reasons[number]
	return said, ok
}

// Remove forgets a plugin that the user has uploaded and no rule uses.
func (b *Book) Remove(ctx context.Context, user id.User, name string) error {
	if _, found := shipped.Named(name); found {
		return ErrShipped
	}
	d, ok := rules.ParseDigest(name)
	if !ok {
		return account.ErrNone
	}
	if err := b.store.DropModule(ctx, user, d); err != nil {
		return err
	}
	// Another user may have the same file; then it is compiled again.
	return b.host.Forget(ctx, plugins.Digest(d))
}
