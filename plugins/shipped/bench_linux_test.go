package shipped_test

import (
	"encoding/json"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/filtertest"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
	"github.com/smtp-sync/smtp-sync/plugins/shipped"
	"github.com/smtp-sync/smtp-sync/plugins/shipped/shippedtest"
)

// cpu is the processor time that the process has used, collector included: it
// does not grow while others have the processor.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRule is one message through one rule: fields derived, the module
// called, its memory restored; beside it the twin in plain Go. Run it with -cpu 1
// for the messages of one core.
func BenchmarkRule(b *testing.B) {
	h := host(b, plugins.Options{})
	header := mail.ParseHeader(shippedtest.Newsletter)
	box := &field.Mailbox{Name: "Work", Authserv: []string{"mx.example.net"}}
	for _, r := range shipped.All() {
		for _, way := range []struct {
			name   string
			plugin filtertest.Plugin
		}{{"wasm", wasm(b, h, r)}, {"go", filtertest.Native(r.Manifest, shippedtest.Twins[r.Name])}} {
			b.Run(r.Name+"/"+way.name, func(b *testing.B) {
				filter, err := way.plugin.With(b.Context(), json.RawMessage(shippedtest.Settings[r.Name]))
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				var fuel int64
				start := cpu()
				for b.Loop() {
					out, err := filter.Run(b.Context(), field.Of(header, mail.Ref{Size: 40_000}, box))
					if err != nil {
						b.Fatal(err)
					}
					fuel = out.Fuel
				}
				b.ReportMetric(float64(b.N)/(cpu()-start).Seconds(), "messages/cpu-s")
				b.ReportMetric(float64(fuel), "fuel")
			})
		}
	}
}

// BenchmarkFiveRules is a mailbox with five rules, none of which skips.
func BenchmarkFiveRules(b *testing.B) {
	h := host(b, plugins.Options{})
	chain := plugins.Chain{User: "u", Mailbox: field.Mailbox{Name: "Work"}}
	for _, name := range []string{"label-by-list-id", "label-by-domain", "mark-important-from", "mark-read-notifications", "subject-regex"} {
		r, _ := shipped.Named(name)
		p, err := h.Load(b.Context(), r.Wasm)
		if err != nil {
			b.Fatal(err)
		}
		rule, err := p.Rule(b.Context(), json.RawMessage(shippedtest.Settings[name]))
		if err != nil {
			b.Fatal(err)
		}
		chain.Rules = append(chain.Rules, rule)
	}
	header := mail.ParseHeader(shippedtest.Newsletter)
	b.ReportAllocs()
	start := cpu()
	for b.Loop() {
		if _, err := chain.Decide(b.Context(), header, mail.Ref{Size: 40_000}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/(cpu()-start).Seconds(), "messages/cpu-s")
}

// BenchmarkHostile is how long a hostile module takes to be refused or stopped.
func BenchmarkHostile(b *testing.B) {
	for _, hostile := range gatetest.AllHostile() {
		b.Run(strings.ReplaceAll(hostile.Name, " ", "_"), func(b *testing.B) {
			h := host(b, plugins.Options{})
			manifest := []byte(`{"abi":"smtpsync_v1","name":"hostile","version":"1.0.0","title":{"en":"x"},"limits":{"memory_pages":256}}`)
			if !hostile.Runs {
				for b.Loop() {
					if _, err := h.Load(b.Context(), hostile.Wasm); err == nil {
						b.Fatal("it was taken")
					}
				}
				return
			}
			packed := pack(b, hostile.Wasm, manifest)
			p, err := h.Load(b.Context(), packed)
			if err != nil {
				b.Fatal(err)
			}
			rule, err := p.Rule(b.Context(), nil)
			if err != nil {
				b.Fatal(err)
			}
			facts := field.Of(mail.ParseHeader(shippedtest.Newsletter), mail.Ref{}, &field.Mailbox{})
			var took []time.Duration
			for b.Loop() {
				start := cpu()
				if _, err := rule.Run(b.Context(), facts); err == nil {
					b.Fatal("it ended by itself")
				}
				took = append(took, cpu()-start)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-cpu-ms")
		})
	}
}

func pack(b *testing.B, wasm, manifest []byte) []byte {
	b.Helper()
	packed, err := gate.Pack(wasm, manifest)
	if err != nil {
		b.Fatal(err)
	}
	return packed
}
