package filtertest

import (
	"context"
	"encoding/json"
	"sync"
	"unicode/utf8"

	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
	"github.com/smtp-sync/smtp-sync/plugins/sdk"
)

// Wasm loads a module, with its manifest in it, into a host.
func Wasm(ctx context.Context, h *plugins.Host, wasm []byte) (Plugin, error) {
	p, err := h.Load(ctx, wasm)
	if err != nil {
		return Plugin{}, err
	}
	return Plugin{p.Manifest, p.Digest, func(ctx context.Context, settings json.RawMessage) (Filter, error) {
		rule, err := p.Rule(ctx, settings)
		if err != nil {
			return nil, err // no Filter that holds no rule
		}
		return rule, nil
	}}, nil
}

// Native runs a rule in Go as the host runs it in Wasm: with the fields that
// its manifest names, and with nothing left of the message before.
func Native(m *manifest.Manifest, p sdk.Plugin) Plugin {
	return Plugin{m, plugins.Digest{}, func(_ context.Context, settings json.RawMessage) (Filter, error) {
		config, err := m.Resolve(settings)
		if err != nil {
			return nil, err
		}
		n := &native{manifest: m, plugin: p, config: config}
		alone.Lock()
		defer alone.Unlock()
		if number := n.configure(&host{native: n}); number != 0 {
			return nil, &plugins.Fault{Class: plugins.BadConfig, Plugin: m.Name, Number: number}
		}
		return n, nil
	}}
}

// alone: a rule keeps what Configure made of its settings in variables, of
// which Go has one set.
var alone sync.Mutex

type native struct {
	manifest *manifest.Manifest
	plugin   sdk.Plugin
	config   *manifest.Config
}

func (n *native) configure(h *host) int32 {
	if n.plugin.Configure == nil {
		return 0
	}
	return n.plugin.Configure(sdk.Settings{Host: h})
}

// Run asks about one message.
func (n *native) Run(_ context.Context, facts *field.Facts) (out plugins.Outcome, err error) {
	alone.Lock()
	defer alone.Unlock()
	h := &host{native: n}
	defer func() {
		if recover() != nil {
			out, err = plugins.Outcome{}, &plugins.Fault{Class: plugins.Trap, Plugin: n.manifest.Name}
		}
	}()
	n.configure(h)
	h.facts = facts
	verdict := n.plugin.Filter(sdk.Message{Settings: sdk.Settings{Host: h}})
	const reason = 0xffff << 32
	bits := uint64(verdict) &^ reason
	if bits >= manifest.Spam<<1 {
		return plugins.Outcome{}, &plugins.Fault{Class: plugins.BadVerdict, Plugin: n.manifest.Name}
	}
	h.out.Reason, h.out.Bits = uint16(verdict>>32), bits&n.manifest.Needs.May()
	for rest := bits &^ h.out.Bits; rest != 0; rest &= rest - 1 {
		h.out.Dropped++
	}
	return h.out, nil
}

// host answers as the ABI says.
type host struct {
	native *native
	facts  *field.Facts // nil while settings are read
	out    plugins.Outcome
	said   int // labels and notes
}

const maxSaid = 64

func told(value string, found bool) (string, int32) {
	if !found {
		return "", sdk.Absent
	}
	return value, int32(len(value))
}

func (h *host) Field(id sdk.Field) (string, int32) {
	switch {
	case field.ID(id).String() == "":
		return "", sdk.Absent
	case !h.native.manifest.Needs.MaySee(field.ID(id)):
		return "", sdk.NotGranted
	case h.facts == nil:
		return "", sdk.Absent
	}
	return told(h.facts.Value(field.ID(id)))
}

func (h *host) Header(name string, index int) (string, int32) {
	switch {
	case name == "" || len(name) > 64 || index < 0 || index > 31:
		return "", sdk.BadArg
	case !h.native.manifest.Needs.MayRead(name):
		return "", sdk.NotGranted
	case h.facts == nil:
		return "", sdk.Absent
	}
	return told(h.facts.Header(name, index))
}

func (h *host) Number(id sdk.Number) int64 {
	switch {
	case id == sdk.ABIMinor:
		return field.Minor
	case h.facts == nil:
		return -1
	}
	return h.facts.Number(field.Number(id))
}

func (h *host) Config(key string) (string, int32) {
	if key == "" || len(key) > 64 {
		return "", sdk.BadArg
	}
	return told(h.native.config.Text(key))
}

func (h *host) InList(id sdk.Field, key string) int32 {
	value, n := h.Field(id)
	if key == "" || len(key) > 64 {
		return sdk.BadArg
	}
	if n < 0 {
		return n
	}
	held, list := h.native.config.Holds(key, value)
	return truth(held, list)
}

func (h *host) Matches(id sdk.Field, key string) int32 {
	value, n := h.Field(id)
	if key == "" || len(key) > 64 {
		return sdk.BadArg
	}
	if n < 0 {
		return n
	}
	pattern, _ := h.native.config.Pattern(key)
	return truth(pattern != nil && pattern.MatchString(value), pattern != nil)
}

// truth is 1 or 0, and BadArg where there is nothing to ask.
func truth(yes, known bool) int32 {
	switch {
	case !known:
		return sdk.BadArg
	case yes:
		return 1
	}
	return 0
}

func (h *host) Label(text string) int32 {
	switch h.said++; {
	case !h.native.manifest.Needs.Labels:
		return sdk.NotGranted
	case h.said > maxSaid || len(h.out.Labels) == 5 || !utf8.ValidString(text) || !manifest.ValidLabel(text):
		return sdk.BadArg
	}
	h.out.Labels = append(h.out.Labels, text)
	return 0
}

func (h *host) Note(code int32, value int64) {
	if h.said++; h.said <= maxSaid {
		h.out.Notes = append(h.out.Notes, plugins.Note{Code: code, Value: value})
	}
}
