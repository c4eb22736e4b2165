package telemetry

import (
	"context"
	"io"
	"log/slog"
	"os"
	"slices"
)

// keys is the closed set.
var keys = []string{
	"user", "mailbox", "ref", "node", "status", "dur_ms", "size", "err",
	"code", "addr", "version", "signal",
}

// Options of a log; the zero value works.
type Options struct {
	Level  string // debug, info, warn or error; "" = info
	Format string // text or json; "" = text on a terminal, else json
}

// New makes a log that writes to w. A level it does not know is info: the
// configuration has refused it before.
func New(w io.Writer, o Options) *slog.Logger {
	level := slog.LevelInfo
	_ = level.UnmarshalText([]byte(o.Level))
	options := &slog.HandlerOptions{Level: level}
	var inner slog.Handler
	if o.Format == "text" || o.Format == "" && Terminal(w) {
		inner = slog.NewTextHandler(w, options)
	} else {
		inner = slog.NewJSONHandler(w, options)
	}
	return slog.New(&handler{inner: inner, chains: level <= slog.LevelDebug})
}

// Terminal reports whether a person is looking at w.
func Terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// handler lets through what is in the closed set.
type handler struct {
	inner  slog.Handler
	chains bool // follow an error by what it wraps
	lost   bool // inside a named group: nothing is let through
}

func (h *handler) Enabled(ctx context.Context, l slog.Level) bool { return h.inner.Enabled(ctx, l) }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, sanitise(r.Message), 0)
	if !h.lost {
		r.Attrs(func(a slog.Attr) bool {
			clean.AddAttrs(h.admit([]slog.Attr{a})...)
			return true
		})
	}
	return h.inner.Handle(ctx, clean)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if h.lost {
		return h
	}
	next := *h
	next.inner = h.inner.WithAttrs(h.admit(attrs))
	return &next
}

// WithGroup opens a group whose attributes are all dropped: their keys are not
// in the set. A group without a name is none, by slog's rule.
func (h *handler) WithGroup(name string) slog.Handler {
	next := *h
	next.lost = h.lost || name != ""
	return &next
}

// admit keeps the attributes of the set, with plain and clean values.
func (h *handler) admit(attrs []slog.Attr) (kept []slog.Attr) {
	for _, a := range attrs {
		a.Value = a.Value.Resolve()
		switch {
		case a.Key == "" && a.Value.Kind() == slog.KindGroup: // inline, by slog's rule
			kept = append(kept, h.admit(a.Value.Group())...)
		case slices.Contains(keys, a.Key):
			if v, ok := h.plain(a); ok {
				kept = append(kept, slog.Attr{Key: a.Key, Value: v})
			}
		}
	}
	return kept
}

// plain gives the value to be written: numbers and times as they are, text
// cleaned, errors and Stringers as text. Structs, maps, slices and groups have
// no place in a log.
func (h *handler) plain(a slog.Attr) (slog.Value, bool) {
	switch a.Value.Kind() {
	case slog.KindString:
		return slog.StringValue(sanitise(a.Value.String())), true
	case slog.KindDuration:
		if a.Key == "dur_ms" {
			return slog.Int64Value(a.Value.Duration().Milliseconds()), true
		}
		return a.Value, true
	case slog.KindBool, slog.KindFloat64, slog.KindInt64, slog.KindUint64, slog.KindTime:
		return a.Value, true
	case slog.KindAny:
		text, ok := h.text(a.Value.Any())
		return slog.StringValue(sanitise(text)), ok
	default:
		return slog.Value{}, false
	}
}
