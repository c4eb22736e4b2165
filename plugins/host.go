package plugins

import (
	"cmp"
	"context"
	"crypto/sha256"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

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
	// Budget is what of a processor the rules of one user may take in a second;
	// 0: there is no limit.
	Budget time.Duration
	// Modules is how many octets of modules a worker keeps compiled, and its host
	// for it; 0: 64 MiB. One that had to go is compiled again when it is needed.
	Modules int
	// Worker is a command, path and arguments, whose process calls Serve with its
	// standard input and output; nil: plugins run in this one. It is for modules of
	// strangers, who must not be one mistake of a compiler away from what this
	// process holds. It gets no environment.
	Worker []string
	// Trusted are modules that run in this process all the same; nil: none.
	Trusted func(Digest) bool
}

// maxModules is how many octets of modules are kept for a worker: some thirty in
// Go, thousands in other languages.
const maxModules = 64 << 20

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
	budgets  budgets
	room     int               // octets of modules that may go; 0: none goes
	gone     func(Digest)      // is told of each that went; nil: nobody
	worker   *worker           // nil: plugins run here
	trusted  func(Digest) bool // although there is a worker

	clock atomic.Int64 // counts uses of plugins

	mu      sync.Mutex
	plugins map[Digest]*loading
}

// loading is a plugin that is being compiled or has been.
type loading struct {
	once   sync.Once
	plugin *Plugin // nil: not yet
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
		trusted: o.Trusted,
		budgets: budgets{each: o.Budget},
	}
	if o.Worker != nil {
		h.worker, h.room = newWorker(o.Worker), cmp.Or(o.Modules, maxModules)
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
	if h.worker != nil {
		h.worker.close()
	}
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
		p, err := h.load(ctx, wasm, digest)
		h.mu.Lock()
		if l.plugin, l.err = p, err; err != nil {
			delete(h.plugins, digest) // what is refused is not kept
		}
		h.mu.Unlock()
	})
	if l.err != nil {
		return nil, l.err
	}
	l.plugin.used.Store(h.clock.Add(1))
	h.makeRoom(ctx, l.plugin)
	return l.plugin, nil
}

// makeRoom lets modules go that were not asked for longest, until those that are
// left have room: all but the one that is wanted now, and those that are trusted.
func (h *Host) makeRoom(ctx context.Context, wanted *Plugin) {
	for h.room > 0 {
		taken := 0
		var oldest *Plugin
		h.mu.Lock()
		for _, l := range h.plugins {
			p := l.plugin
			if p == nil || h.worker != nil && p.worker == nil {
				continue
			}
			taken += p.Report.Octets
			if p != wanted && (oldest == nil || p.used.Load() < oldest.used.Load()) {
				oldest = p
			}
		}
		h.mu.Unlock()
		if taken <= h.room || oldest == nil {
			return
		}
		if h.gone != nil {
			h.gone(oldest.Digest)
		}
		_ = h.Forget(ctx, oldest.Digest)
	}
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
	p := &Plugin{
		Manifest: m, Report: checked.Report, Digest: digest,
		host: h, state: metered.State, grant: grantOf(&m.Needs),
	}
	if h.worker != nil && (h.trusted == nil || !h.trusted(digest)) {
		p.worker, p.wasm = h.worker, wasm
		if err := h.worker.trial(p); err != nil {
			return nil, err
		}
		return p, nil
	}
	p.compiled, err = h.rt.CompileModule(ctx, metered.Wasm)
	if err != nil {
		return nil, &Fault{Class: Compile, Plugin: m.Name, Digest: digest, Detail: err.Error()}
	}
	return p, nil
}

// Forget drops a plugin: its upload was removed. Where it runs in a worker, who
// still has a rule of it goes on, and it is compiled again; elsewhere nobody may.
func (h *Host) Forget(ctx context.Context, digest Digest) error {
	h.mu.Lock()
	l := h.plugins[digest]
	delete(h.plugins, digest)
	h.mu.Unlock()
	if l == nil || l.plugin == nil {
		return nil
	}
	if w := l.plugin.worker; w != nil {
		w.forget(digest)
		return nil
	}
	p := l.plugin
	p.running.Lock() // no call is under way
	defer p.running.Unlock()
	p.idle.stop()
	h.cache.forget(digest)
	err := p.compiled.Close(ctx)
	p.compiled = nil
	return err
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
