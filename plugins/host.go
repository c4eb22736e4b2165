package plugins

import (
	"context"
	"crypto/sha256"
	"runtime"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// Options of a Host; zero values are good.
type Options struct {
	Interpreter bool // run plugins without machine code: slower, for systems that allow none
	Slots       int  // calls at once; 0: one less than processors, at least one
	Snapshots   int  // octets that snapshots may take; 0: 64 MiB
}

// features are those of WebAssembly that the gate lets through; wazero refuses
// the others once more.
const features = api.CoreFeatureMutableGlobal | api.CoreFeatureSignExtensionOps | api.CoreFeatureMultiValue |
	api.CoreFeatureNonTrappingFloatToIntConversion | api.CoreFeatureBulkMemoryOperations

// Host compiles plugins and keeps them; there is one in a process. It may be
// used by many goroutines at once.
type Host struct {
	rt       wazero.Runtime
	slots    chan struct{}
	cache    *snapshots
	breakers breakers

	mu      sync.Mutex
	plugins map[Digest]*loading
}

// loading is a plugin that is being compiled or has been.
type loading struct {
	once   sync.Once
	plugin *Plugin
	err    error
}

// New makes a host without plugins.
func New(ctx context.Context, o Options) (*Host, error) {
	config := wazero.NewRuntimeConfigCompiler()
	if o.Interpreter {
		config = wazero.NewRuntimeConfigInterpreter()
	}
	// Never WithCloseOnContextDone: fuel ends calls. The capacity from the
	// start: memory that grows must not be copied.
	config = config.WithCoreFeatures(features).WithMemoryLimitPages(gate.MaxPages).WithMemoryCapacityFromMax(true).WithDebugInfoEnabled(false)
	if o.Slots <= 0 {
		o.Slots = max(1, runtime.GOMAXPROCS(0)-1)
	}
	if o.Snapshots <= 0 {
		o.Snapshots = 64 << 20
	}
	h := &Host{
		rt:      wazero.NewRuntimeWithConfig(ctx, config),
		slots:   make(chan struct{}, o.Slots),
		cache:   newSnapshots(o.Snapshots),
		plugins: map[Digest]*loading{},
	}
	for module, functions := range hostModules {
		if err := h.offer(ctx, module, functions); err != nil {
			_ = h.rt.Close(ctx)
			return nil, err
		}
	}
	return h, nil
}

// Close ends the host. Nobody may use it or its plugins any more.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.plugins {
		if l.plugin != nil {
			l.plugin.idle.stop()
		}
	}
	return h.rt.Close(ctx)
}

// Load takes a module through the gate and compiles it, once for each digest
// however many ask. It may take a second for a large one. Its error is a
// *gate.Refusal, manifest.Faults, or a *Fault of class Compile.
func (h *Host) Load(ctx context.Context, wasm []byte) (*Plugin, error) {
	if len(wasm) > gate.MaxModule { // its digest would take longer than its refusal
		_, err := gate.Check(wasm, ABI)
		return nil, err
	}
	digest := Digest(sha256.Sum256(wasm))
	h.mu.Lock()
	l := h.plugins[digest]
	if l == nil {
		l = &loading{}
		h.plugins[digest] = l
	}
	h.mu.Unlock()
	l.once.Do(func() {
		if l.plugin, l.err = h.load(ctx, wasm, digest); l.err != nil {
			h.mu.Lock()
			delete(h.plugins, digest) // what is refused is not kept
			h.mu.Unlock()
		}
	})
	return l.plugin, l.err
}

func (h *Host) load(ctx context.Context, wasm []byte, digest Digest) (*Plugin, error) {
	checked, err := gate.Check(wasm, ABI)
	if err != nil {
		return nil, err
	}
	m, err := manifest.Parse(checked.Manifest)
	if err != nil {
		return nil, err
	}
	metered, err := checked.Meter(ABI, m.Limits.MemoryPages)
	if err != nil {
		return nil, err
	}
	compiled, err := h.rt.CompileModule(ctx, metered.Wasm)
	if err != nil {
		return nil, &Fault{Class: Compile, Plugin: m.Name, Digest: digest, Detail: err.Error()}
	}
	return &Plugin{
		Manifest: m, Report: checked.Report, Digest: digest,
		host: h, compiled: compiled, state: metered.State, grant: grantOf(&m.Needs),
	}, nil
}

// Forget drops a plugin that nobody has a rule of any more.
func (h *Host) Forget(ctx context.Context, digest Digest) error {
	h.mu.Lock()
	l := h.plugins[digest]
	delete(h.plugins, digest)
	h.mu.Unlock()
	if l == nil || l.plugin == nil {
		return nil
	}
	l.plugin.idle.stop()
	h.cache.forget(digest)
	return l.plugin.compiled.Close(ctx)
}

// slot waits for the right to run. Machine code cannot be preempted: where
// there are several processors, one is never taken by it.
func (h *Host) slot(ctx context.Context) (release func(), err error) {
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
