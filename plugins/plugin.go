package plugins

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tetratelabs/wazero"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// Plugin is a compiled module, shared by all rules that use it.
type Plugin struct {
	Manifest *manifest.Manifest
	Report   gate.Report
	Digest   Digest

	host     *Host
	used     atomic.Int64          // when, by the host's clock
	running  sync.RWMutex          // held for reading by calls
	compiled wazero.CompiledModule // nil: it runs elsewhere, or is forgotten
	worker   *worker               // where it runs; nil: here
	wasm     []byte                // for a worker that starts again
	state    []string              // exports of its variables
	grant    grant
	idle     pool
}

// grant is what its manifest allows, in the form in which it is asked for.
type grant struct {
	fields  [field.MessageIDDomain + 1]bool
	headers []string
	bits    uint64
	labels  bool
}

func grantOf(n *manifest.Needs) (g grant) {
	for _, name := range n.Fields {
		g.fields[field.Named(name)] = true
	}
	g.headers, g.bits, g.labels = n.Headers, n.May(), n.Labels
	return g
}

func (g *grant) header(name string) bool {
	for _, granted := range g.headers {
		if strings.EqualFold(granted, name) {
			return true
		}
	}
	return false
}

func (p *Plugin) fault(c Class) *Fault {
	return &Fault{Class: c, Plugin: p.Manifest.Name, Digest: p.Digest}
}

// Rule is a plugin with settings. It holds no instance: instances are lent by
// the plugin for one call. It may be used by many goroutines at once.
type Rule struct {
	Plugin *Plugin
	config *manifest.Config

	settings json.RawMessage // for a worker
}

func (r *Rule) key() snapshotKey { return snapshotKey{r.Plugin.Digest, r.config.Digest} }

// Rule checks settings, a JSON object, and lets the plugin see them. Its error
// is manifest.Faults or a *Fault.
func (p *Plugin) Rule(ctx context.Context, settings json.RawMessage) (*Rule, error) {
	config, err := p.Manifest.Resolve(settings)
	if err != nil {
		return nil, err
	}
	r := &Rule{Plugin: p, config: config, settings: settings}
	release, err := p.host.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if w := p.worker; w != nil {
		_, err = w.ready(ctx, r)
	} else {
		p.running.RLock()
		_, err = r.snapshot(ctx)
		p.running.RUnlock()
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Forget drops what is kept of the rule's settings: its user is wiped, or has
// changed them. Rules with equal settings make their snapshot again.
func (r *Rule) Forget() {
	if w := r.Plugin.worker; w != nil {
		w.drop(r)
		return
	}
	r.Plugin.host.cache.remove(r.key())
	r.Plugin.idle.clear()
}

// Outcome is what one rule said about one message.
type Outcome struct {
	Bits    uint64 // manifest.Skip …, those that it may set
	Reason  uint16 // 0: none
	Labels  []string
	Notes   []Note
	Fuel    int64 // used
	Dropped int   // bits that it set and may not
}

// Note is a number that a plugin leaves for its author's log.
type Note struct {
	Code  int32
	Value int64
}

// Run asks the rule about a message. It waits for a slot, then takes at most
// the plugin's fuel. Its error is a *Fault, or why ctx ended.
func (r *Rule) Run(ctx context.Context, facts *field.Facts) (Outcome, error) {
	release, err := r.Plugin.host.slot(ctx)
	if err != nil {
		return Outcome{}, err
	}
	defer release()
	r.Plugin.used.Store(r.Plugin.host.clock.Add(1))
	if w := r.Plugin.worker; w != nil {
		return w.run(ctx, r, facts)
	}
	r.Plugin.running.RLock()
	defer r.Plugin.running.RUnlock()
	snap, err := r.snapshot(ctx)
	if err != nil {
		return Outcome{}, err
	}
	in := r.Plugin.idle.take()
	if in == nil {
		if in, err = r.Plugin.instance(ctx); err != nil {
			return Outcome{}, err
		}
	}
	if in.holds != snap && !in.restore(snap) {
		in.close()
		return Outcome{}, r.Plugin.fault(Instantiate)
	}
	out, fault := in.filter(r, facts, r.Plugin.Manifest.Limits.Fuel)
	if fault != nil || !in.restore(snap) {
		in.close() // what failed or grew is never used again
	} else {
		r.Plugin.idle.put(in)
	}
	if fault != nil {
		return Outcome{Fuel: out.Fuel}, fault
	}
	return out, nil
}

// snapshot gives memory and variables after the plugin saw its settings and
// three messages that we made up: by then what it sets up once is set up, and
// its memory has grown to what it needs.
func (r *Rule) snapshot(ctx context.Context) (*snapshot, error) {
	key := r.key()
	if s := r.Plugin.host.cache.get(key); s != nil {
		return s, nil
	}
	in, err := r.prepared(ctx)
	if err != nil {
		return nil, err
	}
	for range 3 {
		if _, fault := in.filter(r, field.Of(sample, mail.Ref{Size: 4096}, &field.Mailbox{}), r.Plugin.Manifest.Limits.Fuel); fault != nil {
			// It may mend itself with real messages: start from its settings.
			in.close()
			if in, err = r.prepared(ctx); err != nil {
				return nil, err
			}
			break
		}
	}
	s := in.snapshot()
	in.close()
	r.Plugin.host.cache.put(key, s)
	return s, nil
}

var sample = mail.ParseHeader([]byte("From: Sample Sender <sender@example.org>\r\nTo: someone@example.net\r\nSubject: A sample\r\n" +
	"Message-ID: <1@example.org>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nList-Id: Sample <sample.example.org>\r\n\r\n"))

// prepared makes an instance that has seen its settings and no message.
func (r *Rule) prepared(ctx context.Context) (*instance, error) {
	in, err := r.Plugin.instance(ctx)
	if err != nil {
		return nil, err
	}
	if fault := in.prepare(r); fault != nil {
		in.close()
		return nil, fault
	}
	return in, nil
}
