package rulebook

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/shipped"
)

// Chain makes the rules of a mailbox for a pass; nil if there are none. Rules
// that were made before, with the same plugin and settings, are used again.
func (b *Book) Chain(ctx context.Context, user id.User, box account.Mailbox) (*plugins.Chain, error) {
	if err := b.settle(ctx, user); err != nil {
		return nil, err
	}
	all, err := b.store.Rules(ctx, user)
	if err != nil {
		return nil, err
	}
	c := &plugins.Chain{User: user.String(), Mailbox: said(box)}
	var ids []id.Rule
	for _, r := range all {
		if !r.For(box.ID) {
			continue
		}
		rule, err := b.rule(ctx, user, r)
		fault, failed := errors.AsType[*plugins.Fault](err)
		switch {
		case failed:
			c.Missing = fault
			b.count(user, r.ID, rules.Runs{Fault: string(fault.Class)})
		case err != nil:
			return nil, err
		default:
			c.Rules, ids = append(c.Rules, rule), append(ids, r.ID)
		}
	}
	if len(c.Rules) == 0 && c.Missing == nil {
		return nil, nil
	}
	c.Asked = func(i int, f *plugins.Fault) {
		n := rules.Runs{Asked: 1}
		if f != nil {
			n.Failed, n.Fault = 1, string(f.Class)
		}
		b.count(user, ids[i], n)
	}
	return c, nil
}

// said is what rules see of a mailbox.
func said(box account.Mailbox) field.Mailbox {
	return field.Mailbox{Name: box.Name, Authserv: box.Authserv}
}

// rule makes a rule, or finds it. Its error is a *plugins.Fault, or that of the
// store.
func (b *Book) rule(ctx context.Context, user id.User, r rules.Rule) (*plugins.Rule, error) {
	sum := sha256.Sum256([]byte(r.Plugin + "\x00" + string(r.Config)))
	key := string(sum[:])
	if made := b.kept(user, key); made != nil {
		return made, nil
	}
	made, err := b.make(ctx, user, r.Plugin, r.Config)
	if err == nil {
		b.keep(user, key, made)
	}
	return made, err
}

// make makes a rule. What is wrong with the plugin or the settings is a
// *plugins.Fault, for the audit; ctx that ends, or the store, is not.
func (b *Book) make(ctx context.Context, user id.User, name string, config []byte) (*plugins.Rule, error) {
	p, err := b.plugin(ctx, user, name)
	if err != nil {
		return nil, err
	}
	r, err := p.Rule(ctx, config)
	if _, ok := errors.AsType[*plugins.Fault](err); err != nil && !ok && ctx.Err() == nil {
		err = &plugins.Fault{Class: plugins.BadConfig, Plugin: p.Manifest.Name, Digest: p.Digest}
	}
	return r, err
}

// plugin loads a plugin into the host.
func (b *Book) plugin(ctx context.Context, user id.User, name string) (*plugins.Plugin, error) {
	_, ours := shipped.Named(name)
	if !ours && !b.uploads {
		return nil, &plugins.Fault{Class: plugins.NotHere, Plugin: short(name)}
	}
	wasm, err := b.Module(ctx, user, name)
	if err != nil {
		return nil, err
	}
	p, err := b.host.Load(ctx, wasm)
	if _, ok := errors.AsType[*plugins.Fault](err); err != nil && !ok && ctx.Err() == nil {
		err = &plugins.Fault{Class: plugins.Compile, Plugin: short(name)} // another release's gate let it through
	}
	return p, err
}

func short(name string) string {
	if len(name) > 12 {
		name = name[:12]
	}
	return name
}

// maxHeader is how much of a header section a rule is tried on.
const maxHeader = 256 << 10

// ErrHeader is what a header section that is too large is answered with.
var ErrHeader error = &mail.Fault{Class: mail.Setup, Code: "header_too_large",
	Text: "the header section has more than 256 KiB", Help: "paste the lines above the first empty one"}

// Try asks a plugin with settings about a header section, which is kept
// nowhere. A plugin that fails is a *plugins.Fault; the settings may be
// manifest.Faults.
func (b *Book) Try(ctx context.Context, user id.User, name string, config []byte, header string, size int64) (plugins.Outcome, error) {
	if len(header) > maxHeader {
		return plugins.Outcome{}, ErrHeader
	}
	r, err := b.once(ctx, user, name, config)
	if err != nil {
		return plugins.Outcome{}, err
	}
	defer r.Forget()
	if size <= 0 {
		size = int64(len(header))
	}
	return r.Run(ctx, field.Of(mail.ParseHeader([]byte(header)), mail.Ref{Size: size}, &field.Mailbox{}))
}

// once makes a rule that is not kept. Whoever has it forgets it.
func (b *Book) once(ctx context.Context, user id.User, name string, config []byte) (*plugins.Rule, error) {
	p, err := b.plugin(ctx, user, name)
	if err != nil {
		return nil, err
	}
	return p.Rule(ctx, config)
}

// Trial is what a plugin said of one message, with what its user knows the
// message by. All of that but Domain, Date and Size is for his eyes, and for
// nothing that stays.
type Trial struct {
	plugins.Outcome
	Fault  *plugins.Fault // it failed, so
	Domain string         // of the sender, as the audit has it
	From   string         // his name, or his address
	About  string         // the subject
	Date   time.Time      // when the server got it, or what its Date says
	Size   int64          // octets, as announced
}

// TryAll asks a plugin with settings about messages of a mailbox, of which
// nothing is kept. What is wrong with the plugin or the settings is its error; a
// failure at one message is that message's.
func (b *Book) TryAll(ctx context.Context, user id.User, name string, config []byte, box account.Mailbox, all []mail.Headed) ([]Trial, error) {
	r, err := b.once(ctx, user, name, config)
	if err != nil {
		return nil, err
	}
	defer r.Forget()
	where := said(box)
	out := make([]Trial, len(all))
	for i, m := range all {
		f := field.Of(m.Header, m.Ref, &where)
		t := &out[i]
		t.Outcome, err = r.Run(ctx, f)
		if fault, failed := errors.AsType[*plugins.Fault](err); failed {
			t.Outcome, t.Fault = plugins.Outcome{}, fault
		} else if err != nil {
			return nil, err
		}
		t.Domain, _ = m.Header.SenderDomain()
		t.About, _ = f.Value(field.Subject)
		if t.From, _ = f.Value(field.FromName); t.From == "" {
			t.From, _ = f.Value(field.FromAddress)
		}
		if t.Date, t.Size = m.Ref.Date, m.Ref.Size; t.Date.IsZero() {
			t.Date, _ = m.Header.Date()
		}
	}
	return out, nil
}
