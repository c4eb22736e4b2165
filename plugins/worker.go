package plugins

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

// How long a worker may take before it is ended. Fuel ends what plugins do long
// before; this is for machine code that is wrong.
const (
	loadLimit = 20 * time.Second
	ruleLimit = 5 * time.Second
	runLimit  = 250 * time.Millisecond
	// compileLimit is the processor's time that a new module may take to compile,
	// in a process of its own: the kernel ends that.
	compileLimit = 5 * time.Second
)

// A worker that ended is started again at once, then after twice as long each
// time, up to a minute, until one has lived for a minute. Who needs it waits for
// a little, rather than let mail pass by its rules.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = time.Minute
	lived        = time.Minute
	patience     = 2 * time.Second
)

// worker is the process in which the plugins of a host run. There is none before
// it is needed. Plugins whose message it has when it ends have failed; all others
// go on with the next process.
type worker struct {
	command []string
	limit   time.Duration // for one message
	compile time.Duration // of a processor, for a module that is new
	load    time.Duration // for a module

	trying sync.Mutex // one module at a time is tried

	mu     sync.Mutex
	now    *child
	failed int
	until  time.Time // it rests
	closed bool
}

func newWorker(command []string) *worker {
	return &worker{command: command, limit: runLimit, compile: compileLimit, load: loadLimit}
}

var (
	errAway   = errors.New("plugins: the worker rests")
	errClosed = errors.New("plugins: the host is closed")
)

// alive gives the process, started if there is none.
func (w *worker) alive(ctx context.Context) (*child, error) {
	for {
		c, wait, err := w.current()
		if c != nil || err != nil {
			return c, err
		}
		if wait > patience {
			return nil, errAway
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (w *worker) current() (c *child, wait time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch wait = time.Until(w.until); {
	case w.closed:
		return nil, 0, errClosed
	case w.now != nil:
		return w.now, 0, nil
	case wait > 0:
		return nil, wait, nil
	}
	if w.now, err = launch(w.command, w.ended); err != nil {
		w.now = nil
		w.rest(0)
		return nil, 0, err
	}
	return w.now, 0, nil
}

// WorkerPID is the process in which plugins run that are not trusted, 0 if there is
// none now.
func (h *Host) WorkerPID() int {
	if h.worker == nil {
		return 0
	}
	h.worker.mu.Lock()
	defer h.worker.mu.Unlock()
	if h.worker.now == nil {
		return 0
	}
	return h.worker.now.cmd.Process.Pid
}

// ended is told of a process that is gone.
func (w *worker) ended(c *child) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now == c {
		w.now = nil
		w.rest(time.Since(c.since))
	}
}

func (w *worker) rest(after time.Duration) {
	if after >= lived {
		w.failed = 0
	}
	w.until = time.Now().Add(min(firstPause<<min(w.failed, 16), longestPause))
	w.failed++
}

func (w *worker) close() {
	w.mu.Lock()
	w.closed = true
	c := w.now
	w.mu.Unlock()
	if c != nil {
		c.end()
	}
}

// trial lets a process of its own compile a module that nobody has seen yet: if
// it ends that, nobody else's rules run there.
func (w *worker) trial(p *Plugin) error {
	w.trying.Lock()
	defer w.trying.Unlock()
	c, err := launch(w.command, func(*child) {})
	if err != nil {
		return p.fault(Away)
	}
	defer c.end()
	if err := limitCPU(c.cmd.Process.Pid, w.compile); err != nil {
		return p.fault(Away)
	}
	r, err := c.ask(context.Background(), &request{Op: opLoad}, p.wasm, w.load)
	if err != nil {
		fault := p.fault(Compile)
		fault.Detail = fmt.Sprintf("it ended the process that compiled it, or took more than %.0f s of a processor: make it smaller, or split its largest functions", w.compile.Seconds())
		return fault
	}
	return r.fault(p)
}

// ready gives a process that has the rule.
func (w *worker) ready(ctx context.Context, r *Rule) (*child, error) {
	c, err := w.alive(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, r.Plugin.fault(Away)
	}
	p, key := r.Plugin, r.key()
	err = c.once(key, func() error {
		q := &request{Op: opRule, Plugin: key.plugin, Config: key.config}
		for again := false; ; again = true {
			err := c.once(p.Digest, func() error {
				answer, err := c.ask(context.Background(), &request{Op: opLoad}, p.wasm, w.load)
				return died(p, &answer, err)
			})
			if err != nil {
				return err
			}
			answer, err := c.ask(context.Background(), q, r.settings, ruleLimit)
			if answer.Class != Forgotten || again {
				return died(p, &answer, err)
			}
			c.forget(p.Digest) // it had to make room
		}
	})
	return c, err
}

// run asks about one message.
func (w *worker) run(ctx context.Context, r *Rule, facts *field.Facts) (Outcome, error) {
	h, ref, box := facts.Message()
	key := r.key()
	for again := false; ; again = true {
		c, err := w.ready(ctx, r)
		if err != nil {
			return Outcome{}, err
		}
		answer, err := c.ask(ctx, &request{
			Op: opRun, Plugin: key.plugin, Config: key.config, Mailbox: box.Name, Authserv: box.Authserv,
			Folder: ref.Folder, Size: ref.Size, Date: ref.Date, Truncated: h.Truncated(),
		}, h.Raw(), w.limit)
		if answer.Class == Forgotten && !again {
			c.forget(key, key.plugin)
			continue
		}
		if err := died(r.Plugin, &answer, err); err != nil {
			return Outcome{Fuel: answer.Outcome.Fuel}, err
		}
		if !r.Plugin.bearsOut(&answer.Outcome) {
			c.end() // it does what no host does
			return Outcome{}, r.Plugin.fault(Died)
		}
		return answer.Outcome, nil
	}
}

// died makes a fault of what a worker answered, or of its end.
func died(p *Plugin, answer *reply, err error) error {
	if errors.Is(err, errEnded) {
		return p.fault(Died)
	}
	if err != nil {
		return err
	}
	return answer.fault(p)
}

func (r *reply) fault(p *Plugin) error {
	switch r.Class {
	case "":
		return nil
	case Trap, OutOfFuel, BadVerdict, HostArg, Instantiate, Compile, BadConfig:
		fault := p.fault(r.Class)
		fault.Number = r.Number
		if r.Class == Compile {
			fault.Detail = r.Detail
		}
		return fault
	}
	return p.fault(Instantiate)
}

// bearsOut reports whether an outcome is one that this plugin can have: the
// worker may be in a stranger's hands.
func (p *Plugin) bearsOut(o *Outcome) bool {
	return o.Bits&^p.grant.bits == 0 && o.Fuel >= 0 && o.Fuel <= p.Manifest.Limits.Fuel &&
		len(o.Labels) <= maxLabels && (p.grant.labels || len(o.Labels) == 0) && len(o.Notes) <= maxSaid &&
		!slices.ContainsFunc(o.Labels, func(l string) bool { return !utf8.ValidString(l) || !manifest.ValidLabel(l) })
}

// drop forgets a rule's settings there.
func (w *worker) drop(r *Rule) {
	key := r.key()
	w.tell(&request{Op: opDrop, Plugin: key.plugin, Config: key.config}, key)
}

// forget drops a module there.
func (w *worker) forget(d Digest) { w.tell(&request{Op: opForget, Plugin: d}, d) }

func (w *worker) tell(q *request, key any) {
	w.mu.Lock()
	c := w.now
	w.mu.Unlock()
	if c == nil {
		return // nothing is kept there
	}
	c.forget(key)
	_, _ = c.ask(context.Background(), q, nil, ruleLimit)
}
