package shipped_test

import (
	"encoding/json"
	"fmt"
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

// newsletter is a header section of 2.4 kB, as they come.
var newsletter = []byte(strings.ReplaceAll(strings.Repeat(`Received: from mx1.example.net (mx1.example.net [192.0.2.17])
	by mail.example.com (Postfix) with ESMTPS id 4XyZ1234567
	for <someone@example.com>; Tue, 24 Nov 2026 08:15:30 +0000 (UTC)
`, 4)+`Authentication-Results: mx.example.net; dkim=pass header.d=news.example.org; spf=pass; dmarc=pass
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=news.example.org; s=k1; h=from:to:subject:date;
	b=`+strings.Repeat("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo", 10)+`
From: =?utf-8?q?B=C3=BCcher_und_mehr?= <no-reply@news.example.org>
To: Someone <someone@example.com>
Subject: =?utf-8?q?Neue_B=C3=BCcher_im_November?=
Date: Tue, 24 Nov 2026 08:15:29 +0000
Message-ID: <20261124081529.1234@news.example.org>
List-Id: News <news.lists.example.org>
List-Unsubscribe: <https://news.example.org/u/1234567890>
Precedence: bulk
Auto-Submitted: auto-generated
X-Mailer: Example Mailer 7.1
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="=_boundary"

`, "\n", "\r\n"))

// list is a JSON list of 100 domains and one that fits.
func list() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, `"blocked-%d.example.net",`, i)
	}
	return `[` + b.String() + `"example.org"]`
}

var benched = map[string]string{
	"label-by-domain":         `{"label":"Shop"}`,
	"label-by-list-id":        `{}`,
	"mark-important-from":     `{"domains":` + list() + `}`,
	"mark-read-notifications": `{}`,
	"never-spam-from":         `{"domains":` + list() + `}`,
	"only-from":               `{"domains":` + list() + `}`,
	"size-limit":              `{"limit":"10MB"}`,
	"skip-domains":            `{"domains":` + list() + `}`,
	"skip-newsletters":        `{}`,
	"subject-regex":           `{"pattern":"(?i)november$","action":"read"}`,
}

// BenchmarkRule is one message through one rule: fields derived, the module
// called, its memory restored; beside it the twin in plain Go. Run it with -cpu 1
// for the messages of one core.
func BenchmarkRule(b *testing.B) {
	h := host(b, plugins.Options{})
	header := mail.ParseHeader(newsletter)
	box := &field.Mailbox{Name: "Work", Authserv: []string{"mx.example.net"}}
	for _, r := range shipped.All() {
		for _, way := range []struct {
			name   string
			plugin filtertest.Plugin
		}{{"wasm", wasm(b, h, r)}, {"go", filtertest.Native(r.Manifest, twins[r.Name])}} {
			b.Run(r.Name+"/"+way.name, func(b *testing.B) {
				filter, err := way.plugin.With(b.Context(), json.RawMessage(benched[r.Name]))
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
		rule, err := p.Rule(b.Context(), json.RawMessage(benched[name]))
		if err != nil {
			b.Fatal(err)
		}
		chain.Rules = append(chain.Rules, rule)
	}
	header := mail.ParseHeader(newsletter)
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
			facts := field.Of(mail.ParseHeader(newsletter), mail.Ref{}, &field.Mailbox{})
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
